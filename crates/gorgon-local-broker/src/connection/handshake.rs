//! Methods of the connection itself: start, login, tuning, open, close.

use std::time::{Duration, Instant};

use amq_protocol::{
    protocol::connection::{AMQPMethod, Close, OpenOk, Start, StartOk, Tune, TuneOk},
    types::{AMQPValue, FieldTable},
};

use super::{
    CHANNEL_MAX, CLOSE_LIMIT, Connection, FRAME_MAX, FRAME_MAX_UNKNOWN, HEARTBEAT_SECS, Stage,
};
use crate::{core::Broker, fault::Fault, login::Login};

/// What the broker can beyond the protocol's letter, named as RabbitMQ names it.
const CAPABILITIES: [&str; 5] = [
    "publisher_confirms",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "authentication_failure_close",
];

impl Connection {
    /// Answers the client's protocol header.
    pub(crate) fn start(&mut self, broker: &mut Broker) {
        let mut capabilities = FieldTable::default();
        for capability in CAPABILITIES {
            capabilities.insert(capability.into(), AMQPValue::Boolean(true));
        }
        let mut properties = FieldTable::default();
        properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
        properties.insert(
            "product".into(),
            AMQPValue::LongString("gorgon-local-broker".into()),
        );
        properties.insert(
            "version".into(),
            AMQPValue::LongString(env!("CARGO_PKG_VERSION").into()),
        );
        let start = Start {
            version_major: 0,
            version_minor: 9,
            server_properties: properties,
            mechanisms: "PLAIN".into(),
            locales: "en_US".into(),
        };
        self.send(broker, AMQPMethod::Start(start));
        self.stage = Stage::AwaitStartOk;
    }

    /// Ends a connection that does not speak our protocol.
    pub(crate) fn refuse_protocol(&mut self, now: Instant) {
        self.stage = Stage::Closed {
            until: now + CLOSE_LIMIT,
        };
    }

    pub(super) fn connection_method(
        &mut self,
        now: Instant,
        method: AMQPMethod,
        login: &Login,
        broker: &mut Broker,
    ) -> Result<(), Fault> {
        match (self.stage, method) {
            (_, AMQPMethod::Close(_)) => {
                self.closed_by_client(now, broker);
                Ok(())
            }
            (Stage::AwaitStartOk, AMQPMethod::StartOk(start_ok)) => {
                self.log_in(now, &start_ok, login, broker);
                Ok(())
            }
            (Stage::AwaitTuneOk, AMQPMethod::TuneOk(tune_ok)) => self.tune(&tune_ok),
            (Stage::AwaitOpen, AMQPMethod::Open(open)) => {
                if open.virtual_host.as_str() != "/" {
                    return Err(Fault::not_allowed(format!(
                        "vhost {} not found",
                        open.virtual_host
                    )));
                }
                broker.connect(self.id, self.takes_cancels);
                self.send(broker, AMQPMethod::OpenOk(OpenOk {}));
                self.stage = Stage::Running;
                Ok(())
            }
            (Stage::Running, AMQPMethod::UpdateSecret(_)) => {
                Err(Fault::not_implemented("connection.update-secret"))
            }
            (stage, _) => Err(Fault::command_invalid(format!(
                "unexpected method of the connection while {stage:?}"
            ))),
        }
    }

    fn log_in(&mut self, now: Instant, start_ok: &StartOk, login: &Login, broker: &mut Broker) {
        let capability = |name: &str| match start_ok.client_properties.inner().get("capabilities") {
            Some(AMQPValue::FieldTable(table)) => {
                table.inner().get(name) == Some(&AMQPValue::Boolean(true))
            }
            _ => false,
        };
        self.takes_cancels = capability("consumer_cancel_notify");
        self.takes_blocked = capability("connection.blocked");
        self.takes_auth_failure = capability("authentication_failure_close");
        if start_ok.mechanism.as_str() == "PLAIN" && login.accepts(start_ok.response.as_bytes()) {
            let tune = Tune {
                channel_max: CHANNEL_MAX,
                frame_max: u32::try_from(FRAME_MAX).expect("the constant is small"),
                heartbeat: HEARTBEAT_SECS,
            };
            self.has_logged_in = true;
            self.send(broker, AMQPMethod::Tune(tune));
            self.stage = Stage::AwaitTuneOk;
            return;
        }
        log::warn!(target: "gorgon::local_broker", connection = self.id; "login refused");
        if self.takes_auth_failure {
            let fault = Fault::access_refused(format!(
                "Login was refused using authentication mechanism {}. For details see the broker logfile.",
                start_ok.mechanism
            ));
            let close = Close {
                reply_code: fault.code,
                reply_text: fault.reply_text(),
                class_id: 0,
                method_id: 0,
            };
            self.send(broker, AMQPMethod::Close(close));
            self.stage = Stage::AwaitCloseOk {
                until: now + CLOSE_LIMIT,
            };
        } else {
            // The protocol's old way: the socket just closes.
            self.stage = Stage::Closed {
                until: now + CLOSE_LIMIT,
            };
        }
    }

    fn tune(&mut self, tune_ok: &TuneOk) -> Result<(), Fault> {
        let frame_max = match usize::try_from(tune_ok.frame_max).unwrap_or(usize::MAX) {
            0 => FRAME_MAX,
            frame_max => frame_max,
        };
        if frame_max > FRAME_MAX {
            return Err(Fault::not_allowed(format!(
                "negotiated frame_max = {frame_max} is higher than the maximum allowed value ({FRAME_MAX})"
            )));
        }
        if frame_max < FRAME_MAX_UNKNOWN {
            return Err(Fault::not_allowed(format!(
                "negotiated frame_max = {frame_max} is lower than the minimum allowed value ({FRAME_MAX_UNKNOWN})"
            )));
        }
        if tune_ok.channel_max > CHANNEL_MAX {
            return Err(Fault::not_allowed(format!(
                "negotiated channel_max = {} is higher than the maximum allowed value ({CHANNEL_MAX})",
                tune_ok.channel_max
            )));
        }
        self.frame_max = frame_max;
        self.heartbeat =
            (tune_ok.heartbeat > 0).then(|| Duration::from_secs(tune_ok.heartbeat.into()));
        self.stage = Stage::AwaitOpen;
        Ok(())
    }
}
