# Sets WHIMBREL_HAS_IPSEC_MB: whether AES-256-GCM of intel-ipsec-mb is built in. Which code then seals packets is told
# at run time, from the processor.
set(WHIMBREL_HAS_IPSEC_MB OFF)
if(WHIMBREL_IPSEC_MB STREQUAL "AUTO")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    find_package(IPSecMB 1.3 QUIET)
    set(WHIMBREL_HAS_IPSEC_MB ${IPSecMB_FOUND})
  endif()
elseif(WHIMBREL_IPSEC_MB)
  find_package(IPSecMB 1.3 REQUIRED)
  set(WHIMBREL_HAS_IPSEC_MB ON)
endif()
