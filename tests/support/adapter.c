#include "support/adapter.h"

#include <stdio.h>

lm_adapter test_adapter(void)
{
    lm_adapter adapter = {.driver_id = 6, .driver_version = {{25, 1, 3}}};
    adapter.properties.vendorID = 0x8086;
    adapter.properties.deviceID = 0x56a0;
    adapter.properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    snprintf(adapter.properties.deviceName, sizeof adapter.properties.deviceName,
             "Intel(R) Arc(tm) A770 Graphics (DG2)");
    adapter.features.offered = (1u << LM_N_FEATURES) - 1;
    adapter.limits = (lm_limits){.block_bytes = 1u << 30,
                                 .group_invocations = 1024,
                                 .group_subgroups = 32,
                                 .group_count = 65535,
                                 .shared_bytes = 65536,
                                 .push_bytes = 256};
    return adapter;
}
