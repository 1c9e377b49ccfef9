# What is installed besides the programs, libpmi.so and pmi.h, which the targets' own folders install: bin/{pmirun,pmictl,
# pmid}, LIBEXECDIR/pmi/pmi-supervisor, LIBDIR/pmi/libpmi.so. pmirun finds the last two relative to itself
# (runtime/pmirun/installation.cpp), so that an installed tree may be moved as a whole.
file(GLOB PMI_MAN1 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.1)
file(GLOB PMI_MAN3 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.3)
file(GLOB PMI_MAN8 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.8)
file(GLOB PMI_DOCS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/*.md)
install(FILES ${PMI_MAN1} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PMI_MAN3} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES ${PMI_MAN8} DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PMI_DOCS} DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)

# Only the header's place: programs declare pmi.h's functions weak, and pmirun brings libpmi.so along.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pmi.pc @ONLY CONTENT [[
prefix=${pcfiledir}/../..
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: pmi
Description: What a program may say to pmi about itself (pmi.h); no library to link
Version: @PROJECT_VERSION@
Cflags: -I${includedir}
]])
install(FILES ${CMAKE_BINARY_DIR}/pmi.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
