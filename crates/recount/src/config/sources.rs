//! Which source wins, and whether what won fits together.

mod fit;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::given::Given;
use super::{Config, ConfigError, ConfigErrors, ConfigFile, Place, SETTINGS, Setting, Value};
use crate::LogUrl;

/// Where settings may come from: flags win over variables, these over the file, this over other
/// programs' variables, these over defaults.
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
        let window = default("idempotency_window");
        let length = self.origin("retention.max_length").rank();
        let outweighed = length > self.origin("retention.max_length_exact").rank();

        let Config {
            url,
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
        if window && matches!(url, LogUrl::Redis(_)) {
            follows.push(("idempotency_window", "url"));
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
                            if let (Some(file), Place::File(_)) = (self.file, &place) {
                                begin_at(file, setting.key, &mut resolved.config);
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
        self.find_mirrors(&mut resolved);
        if errors.is_empty() {
            resolved.settle(exact);
            errors = fit::contradictions(&resolved, exact);
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
        let only_flag = self
            .only_flags
            .iter()
            .any(|key| *key == setting.key || Some(*key) == table);
        let variable = setting.variable();
        let own = if only_flag {
            None
        } else {
            self.variable(&variable)
                .map(|given| (Place::Variable(variable), given.map(Given::Plain)))
                .or_else(|| self.in_file(setting))
        };
        own.or_else(|| self.of_others(setting))
    }

    /// A variable's text; an empty one counts as unset.
    fn variable(&self, name: &str) -> Option<Result<String, String>> {
        let value = (self.variable)(name).filter(|value| !value.is_empty())?;
        let text = value.into_string();
        Some(text.map_err(|_| "it is not UTF-8 text".to_owned()))
    }

    fn in_file(&self, setting: &Setting) -> Option<(Place, Result<Given, String>)> {
        let values = self.file.map_or(&[][..], |file| &file.values);
        let value = values.iter().find(|value| value.key == setting.key)?;
        Some((Place::File(value.excerpt.clone()), Ok(value.given.clone())))
    }

    /// What a variable says that other programs read too.
    fn of_others(&self, setting: &Setting) -> Option<(Place, Result<Given, String>)> {
        let name = setting.also?;
        let given = self.variable(name)?.map(|text| {
            // Many write only host and port there.
            let bare = setting.key == "url" && !text.contains("://");
            Given::Plain(if bare {
                format!("redis://{text}")
            } else {
                text
            })
        });
        Some((Place::Variable(name.to_owned()), given))
    }

    /// Where mirrors are kept unless it is said: where such things are kept on this machine.
    fn find_mirrors(&self, resolved: &mut Resolved) {
        if resolved.config.mirror.is_some() {
            return;
        }
        for (name, below) in [("XDG_STATE_HOME", ""), ("HOME", ".local/state")] {
            // A relative one is to be ignored, says the convention.
            let folder = (self.variable)(name).map(PathBuf::from);
            let Some(folder) = folder.filter(|folder| folder.is_absolute()) else {
                continue;
            };
            resolved.config.mirror = Some(folder.join(below).join("recount/mirrors"));
            let at = SETTINGS.iter().position(|setting| setting.key == "mirror");
            if let Some(origin @ Origin::Default) = at.and_then(|at| resolved.origins.get_mut(at)) {
                *origin = Origin::Follows(name);
            }
            return;
        }
    }
}

/// A relative path in a file is relative to the file's folder.
fn begin_at(file: &ConfigFile, key: &str, config: &mut Config) {
    match key {
        "url" => config.url = file.relative(&config.url),
        "mirror" => {
            if let Some(path) = &mut config.mirror {
                *path = file.in_folder(path);
            }
        }
        _ => {}
    }
}
