# Unit tests of runtime/memory and remote/movers.
include(GoogleTest)
foreach(name IN ITEMS page_set page_bits page_demand userfault dirty_tracking regions round_policy movers page_store file_comparison image_check injector pages seams)
  add_executable(unit-${name} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cpp)
  target_link_libraries(unit-${name} PRIVATE pmi_movers pmi_memory GTest::gtest GTest::gtest_main)
  gtest_discover_tests(unit-${name} TEST_PREFIX unit/${name}/ PROPERTIES LABELS unit TIMEOUT 120
    ENVIRONMENT TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/remote.tsan DISCOVERY_TIMEOUT 30)
endforeach()
