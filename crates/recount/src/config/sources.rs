//! Which source wins, and whether what won fits together.

use std::ffi::OsString;
use std::fmt;

use super::given::Given;
use super::{Config, ConfigError, ConfigErrors, ConfigFile, Place, SETTINGS, Setting, Value};

/// Where settings may come from: flags win over variables, these over the file, this over defaults.
pub struct Sources<'a> {
    /// The flags that were given: the setting's key, the flag, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// Looks a variable of the environment up. An empty one counts as unset.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The file.
    pub file: Option<&'a ConfigFile>,
    /// The settings, or tables of them, that only a flag may change.
    pub only_flags: &'a [&'a str],
}

impl Default for Sources<'_> {
    /// No source at all.
    fn default() -> Self {
        Self {
            flags: Vec::new(),
            variable: &|_| None,
            file: None,
            only_flags: &[],
        }
    }
}

/// Where a setting in force comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    #[default]
    Default,
    /// Nobody gave it, or what was given has nothing to apply to: the value follows from this.
    Follows(&'static str),
    /// It was given there.
    Given(Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Follows(reason) => write!(f, "default ({reason})"),
            Self::Given(place) => place.fmt(f),
        }
    }
}

impl Origin {
    /// The greater, the sooner it wins.
    fn rank(&self) -> u8 {
        match self {
            Self::Default | Self::Follows(_) => 0,
            Self::Given(Place::File(_)) => 1,
            Self::Given(Place::Variable(_)) => 2,
            Self::Given(Place::Flag(_)) => 3,
        }
    }
}

/// What is in force.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// The settings.
    pub config: Config,
    /// Where each comes from, in the order of [`SETTINGS`]; those after the end are defaults.
    origins: Vec<Origin>,
}

impl Resolved {
    /// Where the setting of that key comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        const DEFAULT: &Origin = &Origin::Default;
        let at = SETTINGS.iter().position(|setting| setting.key == key);
        at.and_then(|at| self.origins.get(at)).unwrap_or(DEFAULT)
    }

    /// Makes defaults fit what was given. `exact` where `retention.max_length_exact` was given
    /// as true.
    fn settle(&mut self, exact: bool) {
        let default = |key| *self.origin(key) == Origin::Default;
        let (size, bytes) = (default("batch_size"), default("limits.event_bytes"));
        let length = self.origin("retention.max_length").rank();
        let outweighed = length > self.origin("retention.max_length_exact").rank();

        let Config {
            batch_size,
            retention,
            limits,
            ..
        } = &mut self.config;
        let mut follows = Vec::new();
        if size && *batch_size > limits.batch_events_max {
            *batch_size = limits.batch_events_max;
            follows.push(("batch_size", "limits.batch_events"));
        }
        if bytes && limits.event_bytes_max > limits.batch_bytes_max {
            limits.event_bytes_max = limits.batch_bytes_max;
            follows.push(("limits.event_bytes", "limits.batch_bytes"));
        }
        // A length that is taken back by a source of more weight takes this along.
        if exact && retention.max_length.is_none() && outweighed {
            follows.push(("retention.max_length_exact", "no retention.max_length"));
        }
        for (key, reason) in follows {
            let at = SETTINGS.iter().position(|setting| setting.key == key);
            if let Some(origin) = at.and_then(|at| self.origins.get_mut(at)) {
                *origin = Origin::Follows(reason);
            }
        }
    }

    /// Every setting with what is in force and where it comes from.
    pub fn all(&self) -> impl Iterator<Item = (&'static Setting, Value, &Origin)> {
        SETTINGS.iter().map(|setting| {
            let value = setting.value(&self.config);
            (setting, value, self.origin(setting.key))
        })
    }
}

impl Sources<'_> {
    /// Settles what is in force. What loses is not looked at.
    pub fn resolve(&self) -> Result<Resolved, ConfigErrors> {
        let mut resolved = Resolved::default();
        let mut errors = Vec::new();
        let mut exact = false;
        for setting in SETTINGS {
            let origin = match self.winner(setting) {
                None => Origin::Default,
                Some((place, given)) => {
                    let applied = given.and_then(|given| {
                        setting.apply(&given, &mut resolved.config)?;
                        Ok(given)
                    });
                    match applied {
                        Ok(given) => {
                            exact |= setting.key == "retention.max_length_exact"
                                && given.switch() == Ok(true);
                            if let (Some(file), "url", Place::File(_)) =
                                (self.file, setting.key, &place)
                            {
                                resolved.config.url = file.relative(&resolved.config.url);
                            }
                        }
                        Err(message) => errors.push(ConfigError {
                            place: place.clone(),
                            message,
                        }),
                    }
                    Origin::Given(place)
                }
            };
            resolved.origins.push(origin);
        }
        if errors.is_empty() {
            resolved.settle(exact);
            errors = contradictions(&resolved, exact);
        }
        if errors.is_empty() {
            return Ok(resolved);
        }
        Err(ConfigErrors {
            errors,
            left_out: 0,
        })
    }

    /// Where the setting is given with the greatest weight, and what is.
    fn winner(&self, setting: &Setting) -> Option<(Place, Result<Given, String>)> {
        if let Some((_, flag, value)) = self.flags.iter().find(|(key, ..)| *key == setting.key) {
            return Some((
                Place::Flag((*flag).to_owned()),
                Ok(Given::Plain(value.clone())),
            ));
        }
        let table = setting.key.split('.').next();
        if self
            .only_flags
            .iter()
            .any(|key| *key == setting.key || Some(*key) == table)
        {
            return None;
        }
        let name = setting.variable();
        if let Some(value) = (self.variable)(&name).filter(|value| !value.is_empty()) {
            let given = value.into_string().map(Given::Plain);
            return Some((
                Place::Variable(name),
                given.map_err(|_| "it is not UTF-8 text".to_owned()),
            ));
        }
        let values = self.file.map_or(&[][..], |file| &file.values);
        let value = values.iter().find(|value| value.key == setting.key)?;
        Some((Place::File(value.excerpt.clone()), Ok(value.given.clone())))
    }
}

/// What does not fit together, told where it was given last.
fn contradictions(resolved: &Resolved, exact: bool) -> Vec<ConfigError> {
    let Config {
        batch_size,
        retention,
        limits,
        ..
    } = &resolved.config;
    let mut errors = Vec::new();
    if *batch_size > limits.batch_events_max {
        errors.extend(too_much(resolved, "batch_size", "limits.batch_events"));
    }
    if limits.event_bytes_max > limits.batch_bytes_max {
        errors.extend(too_much(
            resolved,
            "limits.event_bytes",
            "limits.batch_bytes",
        ));
    }
    if let Origin::Given(place) = resolved.origin("retention.max_length_exact")
        && exact
        && retention.max_length.is_none()
    {
        errors.push(ConfigError {
            place: place.clone(),
            message: "there is no retention.max_length that could be kept exactly: write one, such as max_length = 1_000_000, or leave this out".to_owned(),
        });
    }
    errors
}

/// The error that the setting `less` is more than the setting `more`, told of the one that was given
/// with the greater weight.
fn too_much(resolved: &Resolved, less: &str, more: &str) -> Option<ConfigError> {
    let shown = |key| {
        let value = Setting::find(key).map(|setting| setting.value(&resolved.config));
        value.map_or_else(String::new, |value| value.to_string())
    };
    let (low, high) = (resolved.origin(less), resolved.origin(more));
    let (small, large) = (shown(less), shown(more));
    let (told, message) = if low.rank() >= high.rank() {
        let message = format!(
            "{small} is more than {more}, which is {large} ({high}): write {large} or less, or raise {more}"
        );
        (low, message)
    } else {
        let message = format!(
            "{large} is less than {less}, which is {small} ({low}): write {small} or more, or lower {less}"
        );
        (high, message)
    };
    match told {
        Origin::Given(place) => Some(ConfigError {
            place: place.clone(),
            message,
        }),
        // The defaults fit together.
        Origin::Default | Origin::Follows(_) => None,
    }
}
