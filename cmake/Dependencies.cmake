# Everything from outside, all of it packages of the distribution. Nothing links libvulkan: volk
# opens it at run time, so that a machine without Vulkan gets a sentence instead of a loader error.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(cjson REQUIRED IMPORTED_TARGET libcjson)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit) # of the program only

# Found by file, because Debian 12's volk has neither a CMake config nor a .pc file.
find_path(LM_VULKAN_INCLUDE vulkan/vulkan_core.h REQUIRED)
find_path(LM_VOLK_INCLUDE volk.h REQUIRED)
add_library(lm_vulkan_headers INTERFACE)
add_library(Vulkan::Headers ALIAS lm_vulkan_headers)
target_include_directories(lm_vulkan_headers SYSTEM INTERFACE
                           ${LM_VULKAN_INCLUDE} ${LM_VOLK_INCLUDE})

find_program(LM_GLSLANG NAMES glslangValidator glslang REQUIRED)
find_program(LM_SPIRV_VAL NAMES spirv-val REQUIRED)
