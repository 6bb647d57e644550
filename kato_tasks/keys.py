"""Every Redis key of kato_tasks, each with its lifetime.

All keys of one session lie in one hash slot, ``{prefix}:{shard}``, and so do the indices of that
shard: every script touches one slot only.

============  =======  ==========================================================================
key           type     lifetime
============  =======  ==========================================================================
``s:<key>``   hash     while commands wait: for ever; else the retention setting after last use
``l:<key>``   list     exists only while commands wait
``j:<key>``   list     as its session's record; bounded in length
``ids:<key>`` zset     the dedup setting after the last append; bounded in length
``out:<key>`` zset     a day after the last outcome; bounded in length
``lease:…``   string   the lease time, renewed while a call is under way
``ready``     zset     permanent; holds lanes with work only
``activity``  zset     permanent; members go with their sessions
``dead``      stream   permanent; bounded in length
``idle``      zset     permanent; sessions by when somebody looks whether they are idle or over
``refresh``   zset     permanent; sessions that are kept alive, by when somebody looks at them
``clock``     string   permanent; how far the store's wall clock is off the steady one
``stats``     hash     permanent; a fixed set of fields
``…:alone``   string   the retention setting after the last turn of a session that needs it
``…:holders`` zset     until its last hold ends: the lease time, renewed during a call; at most 100
``…:learner`` string   the learning_kept setting after the last learn, unless it is given back
``…:learned`` string   the retention setting after the last learn
``…:breaker`` hash     until a minute after the last failure, and the longest pause and call
``…:callers`` zset     the lease time after the last of these processes came by; at most 1000
``…:shares``  hash     as long as the callers; one field for each of them
``home:…``    string   the retention setting after somebody asked for it; one for each node
``adopted:…``  string   the retention setting after a session was adopted: under which key
``cordons``   hash     permanent; a field for each instance that takes no new session
``identity``  string   permanent; the name of this store, for ledgers
``{schedule}`` hash    ``…:lease``: the beat_lease setting after its holder last renewed it
``{schedule}`` hash    ``…:runs``: permanent; one field for each entry of the schedule
============  =======  ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

PERMANENT = (
    *("ready", "activity", "dead", "stats", "idle", "refresh", "clock"),
    *("runs", "cordons", "identity"),
)
"""The names of the keys that stay for ever; each is one per shard, or one in all, and bounded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionKeys:
    """The Redis keys of one session, all in one hash slot."""

    session: str
    lane: str
    journal: str
    ids: str
    outcomes: str
    lease: str
    ready: str
    activity: str
    dead: str
    stats: str
    idle: str
    refresh: str
    clock: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """Mints the Redis keys.

    Args:
        prefix: What every key begins with.
        shards: In how many hash slots the sessions are spread, at least 1.
    """

    prefix: str
    shards: int

    def shard_of(self, key: str) -> int:
        """Return the shard of a session key: the same in every process and release."""
        return crc32(key.encode()) % self.shards

    def session(self, key: str) -> SessionKeys:
        """Return the keys of one session."""
        slot = self._slot(self.shard_of(key))
        return SessionKeys(
            session=f"{slot}:s:{key}",
            lane=f"{slot}:l:{key}",
            journal=f"{slot}:j:{key}",
            ids=f"{slot}:ids:{key}",
            outcomes=f"{slot}:out:{key}",
            lease=f"{slot}:lease:{key}",
            ready=f"{slot}:ready",
            activity=f"{slot}:activity",
            dead=f"{slot}:dead",
            stats=f"{slot}:stats",
            idle=f"{slot}:idle",
            refresh=f"{slot}:refresh",
            clock=f"{slot}:clock",
        )

    def ready(self, shard: int) -> str:
        """Return the index of the lanes with work of one shard."""
        return f"{self._slot(shard)}:ready"

    def activity(self, shard: int) -> str:
        """Return the index of the sessions of one shard by their last use."""
        return f"{self._slot(shard)}:activity"

    def dead(self, shard: int) -> str:
        """Return the dead letters of one shard."""
        return f"{self._slot(shard)}:dead"

    def stats(self, shard: int) -> str:
        """Return the counters of one shard."""
        return f"{self._slot(shard)}:stats"

    def idle(self, shard: int) -> str:
        """Return the index of one shard's sessions by when somebody looks whether they are idle."""
        return f"{self._slot(shard)}:idle"

    def refresh(self, shard: int) -> str:
        """Return the index of one shard's sessions that are kept alive by their next look."""
        return f"{self._slot(shard)}:refresh"

    def clock(self, shard: int) -> str:
        """Return how far the store's wall clock is off the steady one of a shard."""
        return f"{self._slot(shard)}:clock"

    def lease_prefix(self, shard: int) -> str:
        """Return what the lease keys of one shard begin with."""
        return f"{self._slot(shard)}:lease:"

    def session_prefix(self, shard: int) -> str:
        """Return what the session hashes of one shard begin with."""
        return f"{self._slot(shard)}:s:"

    def alone(self, instance: str, folded: str) -> str:
        """Return the mark of a node whose calls must go one at a time."""
        return f"{self.prefix}:{{{instance}:{folded}}}:alone"

    def holders(self, instance: str, folded: str) -> str:
        """Return those who may call one node of one instance now, in a slot of its own."""
        return f"{self.prefix}:{{{instance}:{folded}}}:holders"

    def learner(self, instance: str, folded: str) -> str:
        """Return the right to learn on one node of one instance."""
        return f"{self.prefix}:{{{instance}:{folded}}}:learner"

    def learned(self, instance: str, folded: str) -> str:
        """Return which session had the right to learn on one node of one instance last."""
        return f"{self.prefix}:{{{instance}:{folded}}}:learned"

    def breaker(self, instance: str) -> str:
        """Return the circuit breaker of one instance, in a slot of its own."""
        return f"{self.prefix}:{{{instance}}}:breaker"

    def callers(self, instance: str) -> str:
        """Return the processes that call one instance, in a slot of its own."""
        return f"{self.prefix}:{{{instance}}}:callers"

    def shares(self, instance: str) -> str:
        """Return how many connections each process may have open to one instance."""
        return f"{self.prefix}:{{{instance}}}:shares"

    def home(self, folded: str) -> str:
        """Return on which instance the sessions of one node are made."""
        return f"{self.prefix}:home:{{{folded}}}"

    def adopted(self, instance: str, session_id: str) -> str:
        """Return under which session key one of a server's sessions has become ours."""
        return f"{self.prefix}:adopted:{{{instance}:{session_id}}}"

    @property
    def cordons(self) -> str:
        """Return the instances that take no new session, in a slot of their own."""
        return f"{self.prefix}:{{placement}}:cordons"

    @property
    def identity(self) -> str:
        """Return the name of this store, in a slot of its own."""
        return f"{self.prefix}:{{store}}:identity"

    @property
    def schedule_lease(self) -> str:
        """Return who has the ticks of the schedule sent, in the schedule's own slot."""
        return f"{self.prefix}:{{schedule}}:lease"

    @property
    def schedule_runs(self) -> str:
        """Return when each entry of the schedule ran last."""
        return f"{self.prefix}:{{schedule}}:runs"

    def _slot(self, shard: int) -> str:
        return f"{self.prefix}:{{{shard}}}"
