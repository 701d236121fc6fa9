//! `starloop doctor`: what this machine offers, and what will be slow or refused here.

use crate::access::Access;
use crate::console;
use anyhow::Result;
use serde::Serialize;
use starloop_core::external::fetch::hub::Hub;
use starloop_lm::kernels;
use starloop_record::format;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use sysinfo::{CGroupLimits, Disks, System};

/// Python packages that trainers and servers of the examples need.
const PACKAGES: [&str; 6] = ["torch", "transformers", "peft", "trl", "accelerate", "vllm"];
/// Python answers within this time, or it is not used.
const PATIENCE: Duration = Duration::from_secs(20);
/// Memory of `run arithmetic`, measured, with some room.
const SMALL_RUN: u64 = 400 << 20;
/// Disk space below this is soon full: one checkpoint of a small model with its optimizer.
const LITTLE_DISK: u64 = 2 << 30;

/// Show what this machine offers, and what will be slow or refused here and why.
///
/// Paste the output into bug reports. It holds no token, no host name and no user name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop doctor
  starloop doctor --json")]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The findings. Sizes are in bytes.
#[derive(Debug, Serialize)]
struct Machine {
    version: &'static str,
    build: &'static str,
    features: Vec<&'static str>,
    system: String,
    processor: String,
    vector_units: &'static str,
    cores: usize,
    threads: usize,
    memory_total: u64,
    memory_available: u64,
    disk_free: Option<u64>,
    graphics: Vec<String>,
    hub_cache: HubCacheState,
    python: Python,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct HubCacheState {
    path: Option<PathBuf>,
    models: usize,
    is_offline: bool,
}

/// The Python of the path. Its JSON is null unless it was found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Python {
    Found {
        version: String,
        packages: Vec<String>,
    },
    Missing,
    /// `--no-programs` was given.
    NotAsked,
}

/// The memory that a container has left for programs. `free_memory` counts the cache of files as used. The system gives that cache back when a
/// program needs memory, so only `rss` is subtracted.
fn available(limits: &CGroupLimits) -> u64 {
    limits.total_memory.saturating_sub(limits.rss)
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    let machine = Machine::look(access);
    if arguments.json { console::print_json(&machine) } else { console::print(machine.table().trim_end()) }
}

impl Machine {
    fn look(access: Access) -> Self {
        let mut system = System::new();
        system.refresh_memory();
        system.refresh_cpu_all();
        let processor = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).filter(|brand| !brand.is_empty());
        // A container's limit counts, not the memory of its host.
        let limits = system.cgroup_limits();
        let name = [System::name(), System::os_version()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let mut machine = Machine {
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            features: features(),
            system: format!("{name}, {}", std::env::consts::ARCH),
            processor: processor.unwrap_or_else(|| "unknown".to_owned()),
            vector_units: kernels::vector_units(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: rayon::current_num_threads(),
            memory_total: limits.as_ref().map_or(system.total_memory(), |limits| limits.total_memory.min(system.total_memory())),
            memory_available: limits.as_ref().map_or(u64::MAX, available).min(system.available_memory()),
            disk_free: free_space(&std::env::current_dir().unwrap_or_default()),
            graphics: graphics(),
            hub_cache: HubCacheState::look(),
            python: if access.no_programs { Python::NotAsked } else { Python::look().unwrap_or(Python::Missing) },
            problems: Vec::new(),
        };
        machine.problems = machine.problems();
        machine
    }

    /// Work that will be slow or refused, each with a remedy.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.vector_units == "none" {
            problems.push("slow: the processor has no vector units that starloop uses (AVX2 with FMA, AVX-512 or NEON)".to_owned());
        }
        if self.build == "debug" {
            problems.push("slow: this is a debug build; build with --release".to_owned());
        }
        if self.threads < self.cores {
            problems.push(format!("slow: {} of {} cores are used; remove --threads or RAYON_NUM_THREADS", self.threads, self.cores));
        }
        if self.memory_available < SMALL_RUN {
            problems.push(format!(
                "refused: {} of memory are available, and `starloop run arithmetic` needs up to {}; close other programs",
                format::bytes(self.memory_available),
                format::bytes(SMALL_RUN)
            ));
        }
        if let Some(free) = self.disk_free.filter(|free| *free < LITTLE_DISK) {
            problems.push(format!("refused soon: {} are free on the disk of this directory; checkpoints need space", format::bytes(free)));
        }
        if !self.graphics.is_empty() {
            problems.push(
                "unused: starloop itself computes on the processor; to use a graphics device, see docs/serving.md and docs/scaling.md"
                    .to_owned(),
            );
        }
        match &self.python {
            Python::NotAsked => {}
            Python::Missing => problems
                .push("missing: no python3 on the path; only `[trainer] kind = \"command\"` with Python examples needs it".to_owned()),
            Python::Found { packages, .. } => {
                let missing: Vec<&str> = ["torch", "transformers", "trl"]
                    .into_iter()
                    .filter(|name| !packages.iter().any(|found| found.starts_with(name)))
                    .collect();
                if !missing.is_empty() {
                    problems.push(format!("missing: the Python packages {}; only examples/trl needs them", missing.join(", ")));
                }
            }
        }
        if self.hub_cache.is_offline {
            problems.push("refused: HF_HUB_OFFLINE is set, so `get` reads the hub's cache only".to_owned());
        }
        problems
    }

    fn table(&self) -> String {
        let list = |items: &[String]| if items.is_empty() { "none found".to_owned() } else { items.join(", ") };
        let features = if self.features.is_empty() { "none".to_owned() } else { self.features.join(", ") };
        let cache = &self.hub_cache;
        let path =
            cache.path.as_ref().map_or_else(|| "no home directory".to_owned(), |path| crate::untrusted::line(&path.display().to_string()));
        let python = match &self.python {
            Python::Found { version, packages } => format!("{version} with {}", list(packages)),
            Python::Missing => "none found".to_owned(),
            Python::NotAsked => "not asked, because --no-programs starts none".to_owned(),
        };
        let rows = [
            ("starloop", format!("{} ({}; features: {features})", self.version, self.build)),
            ("system", self.system.clone()),
            ("processor", self.processor.clone()),
            ("vector units used", self.vector_units.to_owned()),
            ("threads", format!("{} of {} cores", self.threads, self.cores)),
            ("memory", format!("{} available of {}", format::bytes(self.memory_available), format::bytes(self.memory_total))),
            ("disk here", self.disk_free.map_or_else(|| "unknown".to_owned(), |free| format!("{} free", format::bytes(free)))),
            ("graphics devices", list(&self.graphics)),
            ("hub cache", format!("{path} ({} models)", cache.models)),
            ("python", python),
        ];
        let mut text = String::new();
        for (name, value) in rows {
            let _ = writeln!(text, "{name:<18} {value}");
        }
        if self.problems.is_empty() {
            text.push_str("\nNothing is slow or refused here.\n");
        } else {
            text.push('\n');
            self.problems.iter().for_each(|problem| text.extend(["! ", problem, "\n"]));
        }
        text
    }
}

/// The features of this package, and whether each is compiled in.
const FEATURES: [(&str, bool); 4] = [
    ("parquet", cfg!(feature = "parquet")),
    ("png", cfg!(feature = "png")),
    ("serve", cfg!(feature = "serve")),
    ("watch", cfg!(feature = "watch")),
];

/// The features that are compiled in.
fn features() -> Vec<&'static str> {
    FEATURES.into_iter().filter_map(|(name, is_in)| is_in.then_some(name)).collect()
}

/// The free space of the disk that holds a directory.
fn free_space(directory: &Path) -> Option<u64> {
    let disks = Disks::new_with_refreshed_list();
    let holding = disks.list().iter().filter(|disk| directory.starts_with(disk.mount_point()));
    holding.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}

/// Graphics devices by the files of their drivers. No program is started for them.
fn graphics() -> Vec<String> {
    let in_directory = |directory: &str, is_device: fn(&str) -> bool| -> Vec<String> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_device(name)).collect();
        names.sort();
        names
    };
    let nvidia = in_directory("/dev", |name| {
        name.strip_prefix("nvidia").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    });
    let render = in_directory("/dev/dri", |name| name.starts_with("renderD"));
    nvidia
        .into_iter()
        .map(|name| format!("NVIDIA (/dev/{name})"))
        .chain(render.into_iter().map(|name| format!("/dev/dri/{name}")))
        .collect()
}

impl HubCacheState {
    fn look() -> Self {
        let hub = Hub::from_environment(|name| std::env::var(name).ok());
        let entries = hub.cache().into_iter().filter_map(|path| std::fs::read_dir(path).ok()).flatten().flatten();
        let models = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("models--")).count();
        HubCacheState { path: hub.cache().map(Path::to_owned), models, is_offline: hub.is_offline() }
    }
}

impl Python {
    /// Asks `python3` for its version and packages. None if it does not start, or does not answer in time.
    fn look() -> Option<Self> {
        let script = format!(
            "import sys, importlib.metadata as m\nprint('Python ' + sys.version.split()[0])\nfor name in {PACKAGES:?}:\n    try: print(name, m.version(name))\n    except m.PackageNotFoundError: pass"
        );
        let mut child =
            Command::new("python3").args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let begun = Instant::now();
        while child.try_wait().ok()?.is_none() {
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().map(crate::untrusted::line);
        let version = lines.next().filter(|line| line.starts_with("Python "))?;
        Some(Python::Found { version, packages: lines.collect() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_features_are_told() {
        let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
        let declared = manifest["features"].as_table().unwrap().keys().map(String::as_str).filter(|name| *name != "full");
        assert!(declared.eq(FEATURES.map(|(name, _)| name)));
    }

    #[test]
    fn the_cache_of_files_is_memory_that_programs_can_have() {
        let almost_all_is_cache = CGroupLimits { total_memory: 8 << 30, free_memory: 1 << 20, free_swap: 0, rss: 2 << 30 };
        assert_eq!(available(&almost_all_is_cache), 6 << 30);
    }
}
