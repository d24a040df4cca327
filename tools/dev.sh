#!/bin/sh
# From a fresh machine to a running Lemnos: installs what is missing, builds, runs.
#
# Packages come from the distribution alone, only the missing ones, and after a question. Nothing
# is removed, no package source is added, and a GPU driver that is there is left alone.

set -eu
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: sh tools/dev.sh MODE [--yes] [--no-install]

  demo    install, build, and show what the models in assets/ write
  test    install, build, and run all tests
  check   install, check style, sizes and layers, and build with clang too
  asan    build with sanitizers; unit tests and the tests on one device
  full    check, test, asan, and the tests under ThreadSanitizer and synchronization validation;
          shaders/prebuilt/ is built anew and compared where glslang is new enough;
          every fuzz target 10,000,000 times, which takes about three hours
  list    print the packages that each mode needs and what for; changes nothing

  --yes         install without asking (as when there is no terminal to ask on)
  --no-install  install nothing, use what is there

Debian 12 and 13. Elsewhere the packages are printed, to be installed by hand.
END
}

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'dev.sh: %s\n' "$*" >&2
    exit 1
}

# ---- packages -----------------------------------------------------------------------------------

# Lines of "package<TAB>purpose" for a mode.
packages_of() {
    cat <<'END'
gcc	C compiler
libc6-dev	C library headers
cmake	build system
ninja-build	runs the build
pkgconf	finds libraries for the build
libvulkan-dev	Vulkan headers and loader
libvulkan-volk-dev	finds Vulkan at run time, so that nothing links it
glslang-tools	compiles the shaders to SPIR-V
spirv-tools	checks the compiled shaders
libcjson-dev	JSON
libedit-dev	line editing in a chat
END
    if [ "$1" != check ] && driver_needed; then
        printf 'mesa-vulkan-drivers\tVulkan driver (AMD, Intel, and software where there is no GPU)\n'
    fi
    if [ "$1" != demo ]; then
        printf 'libcmocka-dev\ttest framework\n'
    fi
    if [ "$1" = test ] || [ "$1" = asan ] || [ "$1" = full ]; then
        printf 'vulkan-validationlayers\tchecks our use of Vulkan in the tests\n'
    fi
    if [ "$1" = check ] || [ "$1" = full ]; then
        printf 'clang\tsecond C compiler\nclang-format\tchecks the formatting\n'
    fi
    if [ "$1" = full ]; then
        printf 'libclang-rt-dev\tlibFuzzer\n'
    fi
}

# True where no Vulkan driver is installed and no GPU driver of a vendor is loaded. Mesa is the
# driver of AMD and Intel GPUs too, but next to NVIDIA's own it would only add software Vulkan.
driver_needed() {
    [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] || return 1
    [ ! -e /proc/driver/nvidia/version ] || return 1
    # What this script installed counts as needed, so that the list stays the same.
    installed mesa-vulkan-drivers && return 0
    for manifest in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json \
        /usr/local/share/vulkan/icd.d/*.json /usr/local/etc/vulkan/icd.d/*.json \
        "${HOME:-/nonexistent}"/.local/share/vulkan/icd.d/*.json; do
        [ ! -e "$manifest" ] || return 1
    done
    return 0
}

installed() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# "debian 12", "ubuntu 24.04", ...
system_name() {
    if [ -r /etc/os-release ]; then
        (. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-}")
    else
        uname -s
    fi
}

print_packages() {
    packages_of "$1" | awk -F '\t' '{ printf "  %-24s %s\n", $1, $2 }'
}

list() {
    system=$(system_name)
    case $system in
    'debian 12' | 'debian 13') say "Packages of $system:" ;;
    'ubuntu 24.04') say "Packages of $system (untried: nobody has run this there yet):" ;;
    *) say "Packages of Debian 12 and 13; $system may name them otherwise:" ;;
    esac
    for each in demo test check; do
        say
        say "$each:"
        print_packages "$each"
    done
    say
    say "test also downloads chromium-common (31 MB) with apt-get, and unpacks from it only the"
    say "software Vulkan driver SwiftShader, to build/swiftshader. It is not installed."
}

confirm() {
    [ "$assume_yes" = no ] && [ -t 0 ] || return 0
    printf 'Install them? [Y/n] '
    read -r answer || return 1
    case $answer in '' | [Yy]*) return 0 ;; *) return 1 ;; esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# Installs what the mode needs and this machine lacks.
install_packages() {
    [ "$may_install" = yes ] || return 0
    case $(system_name) in
    'debian 12' | 'debian 13') ;;
    *)
        list
        say
        say "Install these, then: sh tools/dev.sh $mode --no-install"
        exit 1
        ;;
    esac

    missing=
    for package in $(packages_of "$1" | cut -f 1); do
        installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0

    say "To be installed from the package sources of this machine:"
    packages_of "$1" | awk -F '\t' -v missing="$missing " \
        'index(missing, " " $1 " ") { printf "  %-24s %s\n", $1, $2 }'
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        fail "no sudo here; as root: apt-get install --no-install-recommends$missing"
    confirm || fail "nothing was installed"

    as_root apt-get -q update
    # Word splitting makes the list of arguments.
    # shellcheck disable=SC2086
    as_root apt-get -q install -y --no-install-recommends --no-upgrade --no-remove \
        -o Dpkg::Use-Pty=0 $missing
    packages_changed=yes
}

# ---- build and run ------------------------------------------------------------------------------

# The build re-configures itself when its files change; new packages it would not notice.
build() {
    for tool in cmake ninja; do
        command -v "$tool" >/dev/null || fail "$tool is missing; see sh tools/dev.sh list"
    done
    if [ ! -e "build/$1/build.ninja" ] || [ "$packages_changed" = yes ]; then
        cmake --preset "$1"
    fi
    cmake --build --preset "$1"
}

swiftshader() {
    [ "$may_install" = yes ] || return 0
    if [ ! -e build/swiftshader/vk_swiftshader_icd.json ] &&
        ! apt-cache show chromium-common >/dev/null 2>&1; then
        as_root apt-get -q update
    fi
    sh tools/swiftshader.sh build/swiftshader ||
        say "Going on without SwiftShader: its tests will be skipped."
}

jobs() {
    getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
}

# run_tests PRESET [CTEST ARGUMENT ...]
run_tests() {
    preset=$1
    shift
    ctest --preset "$preset" --parallel "$(jobs)" "$@"
}

demo() {
    install_packages demo
    build release
    say
    say "Small models of our own in assets/ complete, fill in and answer; new text stands behind a +."
    say "Without a GPU the driver compiles the shaders on the processor first, once: allow a minute."
    say
    LEMNOS_ASSETS=$PWD/assets sh tools/demo.sh build/release/lemnos
}

test_all() {
    install_packages test
    swiftshader
    build ci
    run_tests ci
}

check() {
    install_packages check
    sh tools/check_style.sh
    build clang
}

asan() {
    install_packages asan
    build asan
    # The arithmetic of shaders is nothing that sanitizers see; models run the ops' code on the host.
    run_tests asan -L '^(unit|lavapipe)$' \
        -E '^op\.(attention|embed|matmul|matvec|relayout|rope_store)\.'
}

full() {
    install_packages full
    check
    asan
    build tsan
    # ThreadSanitizer wants memory where it expects it, not at random places.
    setarch -R ctest --preset tsan -L '^(unit|lavapipe)$'
    cmake --preset dev -DLM_TEST_SYNC_VALIDATION=ON
    cmake --build --preset dev
    run_tests dev -L '^lavapipe$'
    test_all
    # 100,000 draws for the chi-square test of sampling instead of 5,000.
    # And every place at which something may fail.
    (export LM_TEST_LONG=1 && run_tests ci -R '^(op\.sample|model\.faults)\.lavapipe$')
    # Where the compiler is too old for these, the build took the committed files.
    if "${GLSLANG:-glslangValidator}" --version | grep -q '^Glslang Version: [0-9]*:1[5-9]'; then
        sh tools/prebuilt.sh check
    else
        say "glslang is older than 15: shaders/prebuilt/ was not compared; name one by GLSLANG."
    fi
    sh tools/fuzz.sh all 10000000
}

# ---- arguments ----------------------------------------------------------------------------------

mode=
assume_yes=no
may_install=yes
packages_changed=no
for argument in "$@"; do
    case $argument in
    --yes | -y) assume_yes=yes ;;
    --no-install) may_install=no ;;
    --help | -h)
        usage
        exit 0
        ;;
    demo | test | check | asan | full | list)
        [ -z "$mode" ] || fail "one mode at a time: $mode or $argument"
        mode=$argument
        ;;
    *) fail "unknown argument '$argument'; see sh tools/dev.sh --help" ;;
    esac
done

case $mode in
'')
    usage
    exit 2
    ;;
test) test_all ;;
*) "$mode" ;;
esac
