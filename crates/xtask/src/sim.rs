//! Runs the simulation: `cargo xtask sim`.

use std::process::Command;

use crate::{cargo, root, succeed};

pub const USAGE: &str = "\
usage: cargo xtask sim [--seeds N] [--from S]
       cargo xtask sim --seed S

Runs seeded schedules of a writer, followers, trims, closing, kills, power failures and faults on a
simulated disk, and compares with a model after every step (crates/recount-disk/tests/sim).

  --seeds N  how many schedules; default 1000, as many as `cargo xtask test` runs
  --from S   the first seed; default 0
  --seed S   one schedule, told step by step

A failing schedule is printed with its seed. The seed repeats the schedule and the faults. It does not
repeat how the log's own threads run beside it, so a failure may need several attempts.";

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
struct Schedules {
    from: u64,
    seeds: u64,
    told: bool,
}

pub fn run(args: &[&str]) -> Result<(), String> {
    let Schedules { from, seeds, told } = parse(args)?;
    let mut command = Command::new(cargo());
    command
        .current_dir(root())
        .args(["test", "--package", "recount-disk", "--test", "sim"])
        .args(["--", "--nocapture"])
        .env("RECOUNT_SIM_FROM", from.to_string())
        .env("RECOUNT_SIM_SEEDS", seeds.to_string());
    if told {
        command.env("RECOUNT_SIM_TOLD", "1");
    }
    succeed(&mut command, "schedules failed: see above")
}

fn parse(args: &[&str]) -> Result<Schedules, String> {
    let mut schedules = Schedules {
        from: 0,
        seeds: 1000,
        told: false,
    };
    for pair in args.chunks(2) {
        let [flag, value] = pair else {
            return Err(USAGE.to_owned());
        };
        let number = value
            .parse()
            .map_err(|_| format!("{flag} wants a number, not {value:?}\n\n{USAGE}"))?;
        match *flag {
            "--seeds" => schedules.seeds = number,
            "--from" => schedules.from = number,
            "--seed" if args.len() == 2 => {
                schedules = Schedules {
                    from: number,
                    seeds: 1,
                    told: true,
                }
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(schedules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Option<Schedules> {
        parse(args).ok()
    }

    #[test]
    fn schedules_are_chosen_by_their_seeds() {
        let schedules = |from, seeds, told| Some(Schedules { from, seeds, told });
        assert_eq!(parsed(&[]), schedules(0, 1000, false));
        assert_eq!(
            parsed(&["--seeds", "5", "--from", "7"]),
            schedules(7, 5, false)
        );
        assert_eq!(parsed(&["--seed", "42"]), schedules(42, 1, true));
        for wrong in [
            &["--seed", "x"][..],
            &["--seeds"],
            &["5"],
            &["--seed", "1", "--from", "2"],
        ] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }
}
