//! What a round is to be like. All of it is drawn from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::faulty::Weather;
use crate::handler::Temper;
use crate::random::Random;

/// What may happen beside failing handlers and consumers that come and go in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Calm,
    /// Consumers die and are cut off, calls fail.
    Stormy,
    /// An event kills whoever handles it. Nothing else does.
    Deadly,
    /// The same as stormy, and groups are destroyed.
    Resetting,
    /// The same as stormy, and trims are forced.
    Lossy,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub kind: Kind,
    pub partitions: u32,
    pub groups: Vec<GroupPlan>,
    pub publishers: u64,
    /// Events a publisher.
    pub events: u64,
    pub sessions: u64,
    pub tempers: BTreeMap<u64, Temper>,
    pub weather: Weather,
    pub steps: u64,
    /// The measure of all times: pauses are a few of these, claims and leases some tens.
    pub unit: Duration,
}

#[derive(Clone, Debug)]
pub struct GroupPlan {
    pub name: String,
    pub ordered: bool,
    pub in_sequence: bool,
    pub batch: Option<usize>,
    pub concurrency: usize,
    pub buffer: usize,
    pub consumers: usize,
    pub max_deliveries: u64,
    pub claim_after: Duration,
    pub lease: Duration,
}

impl Plan {
    pub fn of(seed: u64, unit: Duration, partitions: u32) -> Self {
        let mut random = Random::new(seed);
        let kinds = [
            Kind::Calm,
            Kind::Stormy,
            Kind::Stormy,
            Kind::Deadly,
            Kind::Resetting,
            Kind::Lossy,
        ];
        let kind = kinds[random.below(kinds.len() as u64) as usize];
        let groups = 1 + random.below(3);
        let groups = (0..groups).map(|n| GroupPlan::of(n, kind, unit, &mut random));
        let groups = groups.collect();
        let (publishers, events) = (1 + random.below(3), 10 + random.below(50));
        let tempers = tempers(kind, publishers * events, unit, &mut random);
        let weather = match kind {
            Kind::Calm | Kind::Deadly => Weather {
                delay: unit / 50,
                ..Weather::default()
            },
            _ => Weather {
                refused: random.below(60),
                unanswered: random.below(60),
                full: random.below(300),
                delay: unit / (1 + random.below(50) as u32),
            },
        };
        Self {
            seed,
            kind,
            partitions: 1 + random.below(u64::from(partitions)) as u32,
            groups,
            publishers,
            events,
            sessions: 1 + random.below(12),
            tempers,
            weather,
            steps: 10 + random.below(40),
            unit,
        }
    }

    /// Whether anything can go wrong but the handlers.
    pub fn faults(&self) -> bool {
        !matches!(self.kind, Kind::Calm | Kind::Deadly)
    }
}

impl GroupPlan {
    fn of(number: u64, kind: Kind, unit: Duration, random: &mut Random) -> Self {
        let (concurrency, ordered) = (1 + random.below(8) as usize, random.percent(50));
        Self {
            name: format!("g{number}"),
            ordered,
            in_sequence: random.percent(25),
            batch: random.percent(25).then(|| 1 + random.below(10) as usize),
            concurrency,
            buffer: concurrency + random.below(40) as usize,
            consumers: 1 + random.below(4) as usize,
            max_deliveries: match kind {
                Kind::Deadly => 3 + random.below(3),
                _ => 2 + random.below(5),
            },
            claim_after: unit * (20 + random.below(20) as u32),
            lease: unit * (20 + random.below(20) as u32),
        }
    }
}

fn tempers(kind: Kind, events: u64, unit: Duration, random: &mut Random) -> BTreeMap<u64, Temper> {
    let mut tempers = BTreeMap::new();
    let bad = random.below(30);
    for number in 0..events {
        if !random.percent(bad) {
            continue;
        }
        let temper = match random.below(14) {
            0..6 => Temper::Slow(random.pause(unit * 3)),
            6..8 => Temper::Flaky(1 + random.below(3)),
            8 => Temper::Shaky(1 + random.below(3)),
            9 => Temper::Bad,
            10 => Temper::Hopeless,
            11 => Temper::Bomb,
            _ => Temper::Stuck,
        };
        // A killed consumer takes what is at work with it: who hangs beside a killer is killed with it.
        if kind != Kind::Deadly || temper != Temper::Stuck {
            tempers.insert(number, temper);
        }
    }
    if kind == Kind::Deadly {
        tempers.insert(random.below(events), Temper::Killer);
    }
    tempers
}
