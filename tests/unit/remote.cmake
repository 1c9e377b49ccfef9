# Unit tests of remote/: real sockets on the loopback device, key directories in temporary places.
include(GoogleTest)
foreach(name IN ITEMS call_tallies keys frame_sealer transport call_channel call_resume compatibility config requests)
  add_executable(unit-${name} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cpp)
  target_link_libraries(unit-${name} PRIVATE pmi_transport pmi_wire pmi_config pmi_requests PkgConfig::ZMQ PkgConfig::SODIUM
    GTest::gtest GTest::gtest_main)
  gtest_discover_tests(unit-${name} TEST_PREFIX unit/${name}/ PROPERTIES LABELS unit TIMEOUT 120
    ENVIRONMENT TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/remote.tsan DISCOVERY_TIMEOUT 30)
endforeach()
