/** The processors that there are machines of, and what differs between them. qemu translates both. */

/** A processor, the kernel for it, and how its machine is put together. */
export interface Platform {
  readonly machine: "x86_64" | "aarch64";
  readonly debian: "amd64" | "arm64";
  /** Debian's package of a kernel that has NVMe disks and ext4 built in, so that there is no need of an initrd. */
  readonly kernel: string;
  readonly emulator: string;
  /** The console, whose output goes to the first file, and the line that scripts write to, which goes to the second. */
  serials(console: string, said: string): readonly string[];
  /** The name of that line in the machine. */
  readonly said: string;
  readonly arguments: readonly string[];
  /** Words for the kernel. */
  readonly words: string;
  /** Seconds that a script may take, and the machine in all: several times what they take on an idle host. */
  readonly limit: { readonly script: number; readonly machine: number };
}

/**
 * What costs least where each instruction is translated, by processor time of `rkt run` in a machine of x86_64: without AVX,
 * whose registers are saved at each switch (12 %); without huge pages, each of which has the translator forget all addresses
 * (16 %); one processor, which sends itself no interrupts (14 %) and leaves the other one of two to another machine.
 */
const CHEAP = ["-accel", "tcg,thread=multi,tb-size=512", "-smp", "1", "-m", "2G"];
const CHEAP_WORDS = "transparent_hugepage=never mitigations=off nokaslr";

/** That of the tests. */
export const X86_64: Platform = {
  machine: "x86_64",
  debian: "amd64",
  kernel: "linux-image-cloud-amd64",
  emulator: "qemu-system-x86_64",
  serials: (console, said) => ["-serial", `file:${console}`, "-serial", `file:${said}`],
  said: "ttyS1",
  arguments: [
    ...CHEAP,
    ...["-cpu", "Nehalem", "-M", "q35,hpet=off,smbus=off,sata=off,usb=off,vmport=off"],
  ],
  // Time is that of the power management timer: on a busy host the kernel measures the TSC wrong, and the machine's clock then
  // runs up to five times too fast, so that the scripts' time is over before they are done.
  words: `console=ttyS0 ${CHEAP_WORDS} clocksource=acpi_pm no_timer_check`,
  limit: { script: 600, machine: 1800 },
};

/** That in which what is made for aarch64 is tried before a release. */
export const AARCH64: Platform = {
  machine: "aarch64",
  debian: "arm64",
  kernel: "linux-image-cloud-arm64",
  emulator: "qemu-system-aarch64",
  serials: (console, said) => [
    ...["-serial", `file:${console}`],
    ...["-chardev", `file,id=said,path=${said}`, "-device", "pci-serial,chardev=said"],
  ],
  said: "ttyS0",
  arguments: [...CHEAP, "-cpu", "cortex-a72", "-M", "virt"],
  words: `console=ttyAMA0 systemd.mask=serial-getty@ttyAMA0.service ${CHEAP_WORDS}`,
  limit: { script: 900, machine: 5400 },
};
