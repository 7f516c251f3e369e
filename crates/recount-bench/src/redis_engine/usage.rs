//! What a server says it used: processor time, network, file, and each command's share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters of a server, or the sum of several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of all its threads, in microseconds.
    pub cpu_us: f64,
    /// Bytes that came in over the network.
    pub in_bytes: f64,
    /// Bytes that went out.
    pub out_bytes: f64,
    /// Bytes of the append-only file.
    pub aof_bytes: f64,
    /// By command, those called by scripts and transactions included.
    pub commands: BTreeMap<String, Calls>,
}

/// How often a command ran and how long in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    pub calls: f64,
    pub us: f64,
}

impl Usage {
    /// Reads the answer to `INFO all`.
    pub fn read(info: &str) -> Self {
        let number = |field| number(info, field).unwrap_or(0.0);
        Self {
            cpu_us: (number("used_cpu_user") + number("used_cpu_sys")) * 1e6,
            in_bytes: number("total_net_input_bytes"),
            out_bytes: number("total_net_output_bytes"),
            aof_bytes: number("aof_current_size"),
            commands: info.lines().filter_map(command).collect(),
        }
    }

    /// Adds another server's.
    pub fn add(&mut self, other: &Self) {
        self.cpu_us += other.cpu_us;
        self.in_bytes += other.in_bytes;
        self.out_bytes += other.out_bytes;
        self.aof_bytes += other.aof_bytes;
        for (name, calls) in &other.commands {
            let sum = self.commands.entry(name.clone()).or_default();
            sum.calls += calls.calls;
            sum.us += calls.us;
        }
    }

    /// What was used since `before`. Asking for it is left out.
    pub fn since(mut self, before: &Self) -> Self {
        self.cpu_us -= before.cpu_us;
        self.in_bytes -= before.in_bytes;
        self.out_bytes -= before.out_bytes;
        self.aof_bytes -= before.aof_bytes;
        for (name, calls) in &mut self.commands {
            let before = before.commands.get(name).copied().unwrap_or_default();
            calls.calls -= before.calls;
            calls.us -= before.us;
        }
        self.commands
            .retain(|name, calls| calls.calls > 0.0 && name != "info");
        self
    }

    /// What `caller`, which called all the others, took without them, in microseconds.
    pub fn outside_commands(&self, caller: &str) -> Option<f64> {
        let all = self.commands.get(caller)?.us;
        let others = self.commands.iter().filter(|(name, _)| *name != caller);
        Some(all - others.map(|(_, calls)| calls.us).sum::<f64>())
    }
}

/// A field of `INFO` that is a number.
pub fn number(info: &str, field: &str) -> Option<f64> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == field)
        .and_then(|(_, value)| value.trim().parse().ok())
}

/// `cmdstat_xadd:calls=1,usec=2,...`
fn command(line: &str) -> Option<(String, Calls)> {
    let (name, values) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let value = |wanted| {
        values
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == wanted)
            .and_then(|(_, value)| value.trim().parse().ok())
    };
    let calls = Calls {
        calls: value("calls")?,
        us: value("usec")?,
    };
    Some((name.to_owned(), calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(cpu: u32, calls: u32) -> String {
        format!(
            "# CPU\r\nused_cpu_sys:{cpu}.25\r\nused_cpu_user:0.25\r\ntotal_net_input_bytes:100\r\n\
             cmdstat_xadd:calls={calls},usec=20,usec_per_call=2.00\r\n\
             cmdstat_evalsha:calls=1,usec=50\r\ncmdstat_info:calls={calls},usec=9\r\n"
        )
    }

    fn calls(calls: f64, us: f64) -> Calls {
        Calls { calls, us }
    }

    #[test]
    fn counters_are_read_added_and_subtracted() {
        let before = Usage::read(&info(1, 3));
        let mut sum = Usage::read(&info(2, 10));
        assert_eq!(before.cpu_us as u64, 1_500_000);
        assert_eq!(sum.commands["xadd"], calls(10.0, 20.0));
        sum.add(&before);
        let used = sum.since(&before);
        assert_eq!((used.cpu_us as u64, used.in_bytes as u64), (2_500_000, 100));
        assert_eq!(used.commands["xadd"], calls(10.0, 20.0));
        assert!(!used.commands.contains_key("info"));
    }

    #[test]
    fn a_script_is_told_from_what_it_calls() {
        let used = Usage::read(&info(1, 10)).since(&Usage::default());
        assert_eq!(used.outside_commands("evalsha"), Some(30.0));
        assert_eq!(used.outside_commands("exec"), None);
    }
}
