// The one place that holds volk's code, which loads Vulkan at run time. Debian 12 ships it as a
// header and a source file only.

#define VOLK_IMPLEMENTATION
#include <volk.h>
