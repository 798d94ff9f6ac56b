//! Which RabbitMQ we talk to, for what only some versions know.

use amiquip::{AmqpValue, FieldTable};

/// A version of RabbitMQ, major and minor; of any other broker none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Version(Option<(u32, u32)>);

impl Version {
    /// Reads it from what the broker tells about itself at `connection.start`.
    pub(crate) fn of(properties: &FieldTable) -> Version {
        let text = |key: &str| match properties.get(key) {
            Some(AmqpValue::LongString(text)) => text.as_str(),
            _ => "",
        };
        if text("product") == "RabbitMQ" {
            Version::parse(text("version"))
        } else {
            Version::default()
        }
    }

    fn parse(text: &str) -> Version {
        let mut parts = text.split('.');
        let mut number = || parts.next()?.parse().ok();
        Version(number().and_then(|major| Some((major, number()?))))
    }

    /// Returns whether a classic queue may have `x-consumer-timeout`. RabbitMQ 4.3 refuses it, and a
    /// broker before 3.12 ignores it.
    pub(crate) fn knows_consumer_timeout_of_queues(self) -> bool {
        self.0
            .is_some_and(|version| ((3, 12)..(4, 3)).contains(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_versions_know_a_consumer_timeout_of_queues() {
        for (text, known) in [
            ("3.10.8", false),
            ("3.11.15", false),
            ("3.12.0", true),
            ("3.13.7", true),
            ("4.0.5", true),
            ("4.2.0-rc.1", true),
            ("4.3.0", false),
            ("4.10.1", false),
            ("5.0.0", false),
            ("", false),
            ("4", false),
            ("x.y", false),
        ] {
            let version = Version::parse(text);
            assert_eq!(version.knows_consumer_timeout_of_queues(), known, "{text}");
        }
    }

    #[test]
    fn another_broker_has_no_version_of_rabbitmq() {
        let text = |text: &str| AmqpValue::LongString(text.to_owned());
        let properties = |product: &str| {
            FieldTable::from([
                ("product".to_owned(), text(product)),
                ("version".to_owned(), text("4.0.5")),
            ])
        };
        assert_eq!(Version::of(&properties("RabbitMQ")), Version(Some((4, 0))));
        assert_eq!(Version::of(&properties("Another")), Version::default());
        assert_eq!(Version::of(&FieldTable::new()), Version::default());
    }
}
