# Unit tests of runtime/guest, and of what it puts into guests.
include(GoogleTest)
foreach(name IN ITEMS guest_cgroups known page_follow signals_from_home vdso xstate)
  add_executable(unit-${name} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cpp)
  target_link_libraries(unit-${name} PRIVATE pmi_guest GTest::gtest GTest::gtest_main)
  gtest_discover_tests(unit-${name} TEST_PREFIX unit/${name}/ PROPERTIES LABELS unit TIMEOUT 120 DISCOVERY_TIMEOUT 30)
endforeach()
target_link_libraries(unit-known PRIVATE pmi_deputy)
