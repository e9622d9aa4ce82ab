
// Subgroups of any size, made of whichever lanes: one lane of each, its leader, speaks for it to the others of a workgroup.
// Every lane calls `leads` in uniform control flow; after a barrier the leaders can be counted off, in order:
// for (var i = leader_from(0u); i < WORKGROUP; i = leader_from(i + 1u))
override LEADER_WORDS: u32 = (WORKGROUP + 31u) / 32u;

var<workgroup> leaders: array<atomic<u32>, LEADER_WORDS>;

fn leads(lane: u32) -> bool {
    let is_leader = subgroupBroadcastFirst(lane) == lane;
    if is_leader { atomicOr(&leaders[lane / 32u], 1u << (lane % 32u)); }
    return is_leader;
}

fn leader_from(first: u32) -> u32 {
    var at = first;
    while at < WORKGROUP {
        let bits = atomicLoad(&leaders[at / 32u]) >> (at % 32u);
        if bits != 0u { return at + firstTrailingBit(bits); }
        at = (at / 32u + 1u) * 32u;
    }
    return WORKGROUP;
}
