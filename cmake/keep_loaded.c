// Linked into programs of sanitizer builds: no library is ever unloaded.
//
// A Vulkan driver keeps memory in its globals when its last instance goes. LeakSanitizer finds that
// reachable as long as the driver is loaded, and calls it a leak of an unknown module afterwards.

int dlclose(void *handle);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
