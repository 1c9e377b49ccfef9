# Unit tests of runtime/job, runtime/control, and of the launcher as it is seen from outside.
include(GoogleTest)
foreach(name IN ITEMS control cpu_time job launch movable)
  add_executable(unit-${name} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cpp)
  target_link_libraries(unit-${name} PRIVATE GTest::gtest GTest::gtest_main)
  gtest_discover_tests(unit-${name} TEST_PREFIX unit/${name}/ PROPERTIES LABELS unit TIMEOUT 120 DISCOVERY_TIMEOUT 30)
endforeach()
target_link_libraries(unit-control PRIVATE pmi_control)
target_link_libraries(unit-cpu_time PRIVATE pmi_deputy)
target_compile_definitions(unit-cpu_time PRIVATE PRELOAD="$<TARGET_FILE:pmi_preload>")
add_dependencies(unit-cpu_time pmi_preload)
target_link_libraries(unit-job PRIVATE pmi_job)
target_link_libraries(unit-movable PRIVATE pmi_job)
target_sources(unit-launch PRIVATE ${CMAKE_CURRENT_LIST_DIR}/../../runtime/pmirun/options.cpp
  ${CMAKE_CURRENT_LIST_DIR}/../../runtime/pmirun/environment.cpp
  ${CMAKE_CURRENT_LIST_DIR}/../../runtime/pmirun/cpu_baseline.cpp)
target_link_libraries(unit-launch PRIVATE pmi_control pmi_kernel)
target_compile_definitions(unit-launch PRIVATE PMIRUN="$<TARGET_FILE:pmirun>" PMICTL="$<TARGET_FILE:pmictl>")
add_dependencies(unit-launch pmirun pmictl pmi-supervisor pmi_preload)
