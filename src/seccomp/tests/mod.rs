//! Tests of the table and of the programs made from it, which run here in an
//! interpreter that follows the kernel's rules.

mod bpf;
mod by_hand;
mod names;
mod programs;
mod table;

use self::bpf::Answer;
use super::filter::{Program, compile};
use super::{Arch, Config};
use crate::policy::plan::Mode;
use crate::policy::{Network, SyscallRules, UnixSockets};

const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];
const ABIS: [u32; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/// Every combination of what decides about a call.
fn configs(syscalls: &SyscallRules) -> Vec<Config<'_>> {
    let mut all = Vec::new();
    for arch in ARCHES {
        for mode in [Mode::Brokered, Mode::Static] {
            for network in [Network::None, Network::Loopback, Network::Open] {
                for unix_sockets in [UnixSockets::Own, UnixSockets::Open] {
                    for learning in [false, true] {
                        all.extend(ABIS.map(|abi| Config {
                            arch,
                            mode,
                            abi,
                            network,
                            unix_sockets,
                            names_sockets: false,
                            takes_sockets: true,
                            mediates_reads: learning,
                            learning,
                            syscalls,
                        }));
                    }
                }
            }
        }
    }
    all
}

/// The strictest settings on a recent kernel.
fn strict(arch: Arch, syscalls: &SyscallRules) -> Config<'_> {
    Config {
        arch,
        mode: Mode::Brokered,
        abi: 7,
        network: Network::None,
        unix_sockets: UnixSockets::Own,
        names_sockets: false,
        takes_sockets: true,
        mediates_reads: false,
        learning: false,
        syscalls,
    }
}

fn number(arch: Arch, name: &str) -> Option<u32> {
    let found = arch.numbers().iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| *number)
}

/// What the filters of these settings say to a call.
fn answer(config: &Config<'_>, name: &str, args: [u64; 6]) -> Answer {
    let number = number(config.arch, name).unwrap_or_else(|| panic!("{:?} has no {name}", config.arch));
    ask(&program(config), config.arch, number, args)
}

fn program(config: &Config<'_>) -> Program {
    compile(config).unwrap_or_else(|error| panic!("{config:?}: {error}"))
}

fn ask(program: &Program, arch: Arch, number: u32, args: [u64; 6]) -> Answer {
    let call = bpf::Call { arch: arch.audit_arch(), number, args };
    bpf::run(&program.instructions, &call)
}
