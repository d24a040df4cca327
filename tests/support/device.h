// Which Vulkan driver a test runs on, and whether it must be there.
//
// CTest runs a device test once per profile: it names the driver in LM_TEST_DEVICE ("lavapipe" or
// "swiftshader"), the profile in LM_TEST_PROFILE ("lavapipe16", "limits", ...) and the one driver
// manifest in VK_DRIVER_FILES. LM_REQUIRE_DEVICES lists drivers, with commas, whose absence is a
// failure. By hand, without LM_TEST_DEVICE, a test takes whatever device there is.
//
//     int main(void)
//     {
//         const char *absent = lm_test_require_device();
//         if (absent)
//             return lm_test_skip(absent);
//         return cmocka_run_group_tests(tests, NULL, NULL);
//     }

#ifndef LM_TESTS_SUPPORT_DEVICE_H
#define LM_TESTS_SUPPORT_DEVICE_H

#include <stdbool.h>

#define LM_TEST_SKIPPED 77 // the exit status that CTest reads as "skipped"

// NULL if the driver is there, else why the test must be skipped: text that lives until the next
// call. Ends the program with a failure if LM_REQUIRE_DEVICES lists the driver.
const char *lm_test_require_device(void);

// Prints why and returns LM_TEST_SKIPPED, for main() to return.
int lm_test_skip(const char *why);

// The profile, "" without one.
const char *lm_test_profile(void);

// Whether devices should be opened under the validation layer (LM_VALIDATION=1).
bool lm_test_validation(void);

#endif
