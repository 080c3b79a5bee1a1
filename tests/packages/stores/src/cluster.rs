//! A Redis Cluster for one test.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use redis::{Client, Cmd, Value};

use crate::Redis;

/// Two primaries with half of the slots each, and a replica of the first.
pub struct Cluster {
    nodes: Vec<Node>,
}

struct Node {
    redis: Redis,
    port: u16,
    bus: u16,
}

impl Cluster {
    /// One that serves; `None` where there is no Redis, which was printed.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Node::start()?);
        }
        let [first, second, replica] = &nodes[..] else { unreachable!("there are three") };
        first.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", &LAST_OF_FIRST.to_string()]).await;
        second.ask(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]).await;
        for other in [second, replica] {
            let (port, bus) = (other.port.to_string(), other.bus.to_string());
            first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        let cluster = Self { nodes };
        cluster.until("cluster_known_nodes:3").await;
        let id = cluster.nodes[0].id().await;
        cluster.nodes[2].ask(&["CLUSTER", "REPLICATE", &id]).await;
        cluster.until("cluster_state:ok").await;
        let linked =
            async { while !cluster.nodes[2].info("replication").await.contains("link_status:up") {} };
        tokio::time::timeout(PATIENCE, linked).await.expect("the replica follows");
        Some(cluster)
    }

    /// The addresses of the primaries, as `KIKET_DEDUPE_URL` has them.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis://{}", hosts[..2].join(","))
    }

    /// The replica takes the place of the first primary, which is a replica then.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn fail_over(&self) {
        self.nodes[2].ask(&["CLUSTER", "FAILOVER"]).await;
        let promoted = async { while !self.nodes[2].info("replication").await.contains("role:master") {} };
        tokio::time::timeout(PATIENCE, promoted).await.expect("it takes over");
    }

    /// Stops the first node for good.
    pub fn stop_first(&mut self) {
        self.nodes[0].redis.stop();
    }

    /// The slot of a key, if the first primary has it.
    ///
    /// # Panics
    ///
    /// When a node does not say.
    pub async fn slot_of_first(&self, key: &str) -> Option<u16> {
        let Value::Int(slot) = self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]).await else {
            panic!("a slot is a number")
        };
        u16::try_from(slot).ok().filter(|slot| *slot <= LAST_OF_FIRST)
    }

    /// Begins to move a slot of the first primary to the second, as `redis-cli --cluster reshard` does: until it is moved,
    /// the first redirects with `ASK` for keys that it does not have.
    pub async fn begin_to_move(&self, slot: u16) {
        let (first, second, slot) = (self.nodes[0].id().await, self.nodes[1].id().await, slot.to_string());
        self.nodes[1].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &first]).await;
        self.nodes[0].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &second]).await;
    }

    /// Ends what [`begin_to_move`](Self::begin_to_move) began: the first redirects with `MOVED`.
    pub async fn end_move(&self, slot: u16) {
        let (second, slot) = (self.nodes[1].id().await, slot.to_string());
        for node in [1, 0] {
            self.nodes[node].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &second]).await;
        }
    }

    /// How many keys of a slot the first and the second primary have.
    pub async fn keys_of(&self, slot: u16) -> [i64; 2] {
        let mut counts = [0; 2];
        for (count, node) in counts.iter_mut().zip(&self.nodes) {
            if let Value::Int(keys) = node.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]).await {
                *count = keys;
            }
        }
        counts
    }

    /// How many keys are on how many nodes.
    pub async fn spread(&self) -> (usize, usize) {
        let (mut keys, mut nodes) = (BTreeSet::new(), 0);
        for node in &self.nodes {
            let Value::Array(found) = node.ask(&["KEYS", "*"]).await else { continue };
            nodes += usize::from(!found.is_empty());
            keys.extend(found.into_iter().map(|key| format!("{key:?}")));
        }
        (keys.len(), nodes)
    }

    async fn until(&self, line: &str) {
        let all = async {
            for node in &self.nodes {
                while !node.text(&["CLUSTER", "INFO"]).await.contains(line) {}
            }
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("it never says {line}"));
    }
}

/// The last slot of the first primary.
const LAST_OF_FIRST: u16 = 8191;

const PATIENCE: Duration = Duration::from_secs(60);

impl Node {
    fn start() -> Option<Self> {
        // A cluster needs ports that its nodes can name: two that are free now.
        let [port, bus] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
        let [port, bus] = [port, bus].map(|listener| listener.local_addr().expect("it listens").port());
        let redis = Redis::start_own(&[
            "--port",
            &port.to_string(),
            "--cluster-port",
            &bus.to_string(),
            "--bind",
            "127.0.0.1",
            "--cluster-enabled",
            "yes",
            "--cluster-require-full-coverage",
            "no",
        ])?;
        Some(Self { redis, port, bus })
    }

    async fn id(&self) -> String {
        self.text(&["CLUSTER", "MYID"]).await
    }

    async fn info(&self, section: &str) -> String {
        self.text(&["INFO", section]).await
    }

    async fn text(&self, words: &[&str]) -> String {
        match self.ask(words).await {
            Value::BulkString(bytes) => String::from_utf8(bytes).expect("it is text"),
            Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    async fn ask(&self, words: &[&str]) -> Value {
        let client = Client::open(self.redis.url()).expect("it is a URL");
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return Value::Nil };
        let mut command = Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut connection).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}
