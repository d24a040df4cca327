# No driver, no loader: a sentence that says what to install.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_model

without_vulkan() {
    refuses 1 "install" devices
    refuses 1 "install" devices --json
    refuses 1 "install" run -m "$model" x
    refuses 1 "install" complete -m "$model" --json "$shape"
    refuses 1 "install" info "$model" --device llvmpipe
    gives 0 info "$model"
    says "$out" "no plan: " "info"
}

(
    VK_DRIVER_FILES=/nonexistent
    VK_ICD_FILENAMES=/nonexistent
    export VK_DRIVER_FILES VK_ICD_FILENAMES
    without_vulkan
    exit "$n_failures"
) || n_failures=$((n_failures + 1))

# A library of that name that is none: the dynamic linker gives up on it.
mkdir "$dir/lib"
for name in libvulkan.so libvulkan.so.1; do
    echo nothing >"$dir/lib/$name"
done
LD_LIBRARY_PATH=$dir/lib
export LD_LIBRARY_PATH
without_vulkan

finish
