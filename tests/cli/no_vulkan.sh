# No driver, no loader: a sentence that says what to install.
. "$(dirname "$0")/support/check.sh"
exec </dev/null
need_model

without_vulkan() {
    gives 1 devices
    says "$err" "install" "devices"
    [ "$(wc -l <"$err")" -eq 1 ] || fail "devices: not one line on stderr"
    says "$out" "  problem    $1" "devices"
    gives 1 devices --json
    says "$err" "install" "devices --json"
    says "$out" '{"devices":[],' "devices --json"
    says "$out" "\"problem\":true,\"text\":\"$1" "devices --json"
    refuses 1 "; 'lemnos devices' says more" run -m "$model" x
    refuses 1 "install" complete -m "$model" --json "$shape"
    refuses 1 "install" info "$model" --device llvmpipe
    gives 0 info "$model"
    says "$out" "no plan: " "info"
}

(
    VK_DRIVER_FILES=/nonexistent
    VK_ICD_FILENAMES=/nonexistent
    export VK_DRIVER_FILES VK_ICD_FILENAMES
    without_vulkan "The driver manifest /nonexistent cannot be used: "
    exit "$n_failures"
) || n_failures=$((n_failures + 1))

# A library of that name that is none: the dynamic linker gives up on it.
mkdir "$dir/lib"
for name in libvulkan.so libvulkan.so.1; do
    echo nothing >"$dir/lib/$name"
done
LD_LIBRARY_PATH=$dir/lib
export LD_LIBRARY_PATH
without_vulkan "The Vulkan loader does not load: "

finish
