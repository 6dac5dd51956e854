//! Architectures, as the kernel's audit subsystem numbers them.

use seccompiler::TargetArch;

use super::numbers;

/// An architecture that a filter can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit x86. x32 is another ABI and refused.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// The architecture that this program was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Arch = Arch::X86_64;
    /// The architecture that this program was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Arch = Arch::Aarch64;

    /// `AUDIT_ARCH_*` (`<linux/audit.h>`).
    pub fn audit_arch(self) -> u32 {
        const EM_X86_64: u32 = 62;
        const EM_AARCH64: u32 = 183;
        const SIXTY_FOUR_LITTLE_ENDIAN: u32 = 0xc000_0000;
        match self {
            Arch::X86_64 => EM_X86_64 | SIXTY_FOUR_LITTLE_ENDIAN,
            Arch::Aarch64 => EM_AARCH64 | SIXTY_FOUR_LITTLE_ENDIAN,
        }
    }

    /// The number of a system call, where this architecture has it.
    pub fn number(self, name: &str) -> Option<u32> {
        let numbers = self.numbers();
        let found = numbers.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        Some(numbers[found].1)
    }

    /// Names and numbers of its system calls, sorted by name.
    pub fn numbers(self) -> &'static [(&'static str, u32)] {
        match self {
            Arch::X86_64 => numbers::x86_64::NUMBERS,
            Arch::Aarch64 => numbers::aarch64::NUMBERS,
        }
    }

    pub(super) fn target(self) -> TargetArch {
        match self {
            Arch::X86_64 => TargetArch::x86_64,
            Arch::Aarch64 => TargetArch::aarch64,
        }
    }
}
