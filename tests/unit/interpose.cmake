# Tests of interpose/: the table, the marshaller, the guest's filter. Included from tests/unit or from anywhere else.
get_filename_component(PMI_INTERPOSE_SOURCE_DIR ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)

foreach(name table marshal filter)
  add_executable(pmi_${name}_test ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cpp)
  target_compile_definitions(pmi_${name}_test PRIVATE PMI_SOURCE_DIR="${PMI_INTERPOSE_SOURCE_DIR}")
  target_link_libraries(pmi_${name}_test PRIVATE pmi_syscall pmi_marshal pmi_filter GTest::gtest_main)
  add_test(NAME ${name} COMMAND pmi_${name}_test)
endforeach()
