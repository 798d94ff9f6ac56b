//! What is seen and done inside a node: its queues, its connections, its alarm.

use super::RabbitMq;

/// A queue as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSeen {
    /// Its name.
    pub name: String,
    /// Its type, as the node's own module: `rabbit_classic_queue`.
    pub kind: String,
    /// Messages in it, ready and unacknowledged.
    pub messages: u32,
    /// Its consumers.
    pub consumers: u32,
}

impl RabbitMq {
    /// Returns the queues of a virtual host, sorted by name; one that is ending is left out.
    pub fn queues(&self, vhost: &str) -> Vec<QueueSeen> {
        let text = self.eval(&format!(
            "lists:flatten([case catch rabbit_amqqueue:info(Q, [messages, consumers]) of \
             [{{_, M}}, {{_, C}}] -> io_lib:format(\"~ts ~p ~p ~p~n\", \
             [element(4, element(2, Q)), amqqueue:get_type(Q), M, C]); \
             _ -> [] end || Q <- rabbit_amqqueue:list(<<\"{vhost}\">>)])."
        ));
        let mut queues: Vec<QueueSeen> = unquote(&text)
            .lines()
            .filter_map(|line| {
                let mut words = line.rsplitn(4, ' ');
                let consumers = words.next()?.parse().ok()?;
                let messages = words.next()?.parse().ok()?;
                let kind = words.next()?.to_owned();
                let name = words.next()?.to_owned();
                Some(QueueSeen {
                    name,
                    kind,
                    messages,
                    consumers,
                })
            })
            .collect();
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues
    }

    /// Returns who is connected, in the clients' own words, sorted; who is leaving is left out.
    pub fn connections(&self) -> Vec<String> {
        let text = self.eval(
            "lists:flatten([case catch rabbit_networking:connection_info(C, [client_properties]) of \
             [{_, P}] -> case lists:keyfind(<<\"information\">>, 1, P) of \
             {_, _, I} -> io_lib:format(\"~ts~n\", [I]); false -> \"(unnamed)\\n\" end; \
             _ -> [] end || C <- rabbit_networking:connections()]).",
        );
        let mut names: Vec<String> = unquote(&text).lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Sets the largest message that new channels take.
    pub fn max_message_size(&self, bytes: u32) {
        // A RabbitMQ before 4 reads the first, a later one the second.
        self.eval(&format!(
            "application:set_env(rabbit, max_message_size, {bytes}), \
             persistent_term:put(max_message_size, {bytes})."
        ));
    }

    /// Has the node close all connections, as an administrator would.
    pub fn close_connections(&self) {
        self.eval("[catch rabbit_networking:close_connection(C, \"test\") || C <- rabbit_networking:connections()], ok.");
    }

    /// Switches the memory alarm on or off; returns when it is so.
    pub fn memory_alarm(&self, on: bool) {
        let mark = if on {
            "0.00001"
        } else {
            "{absolute, 1000000000}"
        };
        self.eval(&format!(
            "vm_memory_monitor:set_vm_memory_high_watermark({mark})."
        ));
        self.eval(&format!(
            "W = fun W() -> case lists:any(fun({{{{resource_limit, memory, _}}, _}}) -> true; (_) -> false end, \
             rabbit_alarm:get_alarms()) of {on} -> ok; _ -> timer:sleep(10), W() end end, W()."
        ));
    }
}

/// Undoes how Erlang prints a text.
fn unquote(printed: &str) -> String {
    let joined = printed
        .replace("\"\n", "")
        .replace("\\n", "\n")
        .replace("\\\"", "\"");
    joined.trim_matches('"').trim_start_matches("[]").to_owned()
}
