import Telemetry

/// Times messages between the ranks of a run, for a model of its network: ping-pongs of one pair on each kind of link,
/// and exchanges of all ranks with all.
package struct LinkProbe {
  private static let tag = MessageTag(5)
  private static let pingPongBytes = [64, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22]
  private static let exchangeBytes = [64, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18]
  private static let sharedBytes = [64, 1 << 10, 1 << 12, 1 << 14, 1 << 16]
  /// Time and rounds for one size.
  private static let budget = 0.03
  private static let roundLimit = 200
  /// The same where a choice only depends on it, with the largest message that is timed.
  private static let shortBudget = 0.004
  private static let shortLimit = 1 << 18

  private let communicator: any Communicator
  /// By rank: the lowest rank of its host; and its NUMA node, or −1 where it spans several.
  private let hostOfRank: [Int]
  private let nodeOfRank: [Int]
  /// For each size, and the largest of these.
  private var seconds = Self.budget
  private var limit = Int.max
  private let outgoing: UnsafeMutableRawBufferPointer
  private let incoming: UnsafeMutableRawBufferPointer

  /// All samples, the same on every rank; takes about a second for each kind of link. `hostOfRank`: by rank, a number
  /// of its host. `node`: this rank's NUMA node, nil where it has no one. Collective.
  package static func measure(_ communicator: any Communicator, hostOfRank: [Int], node: Int?) throws -> [LinkSample] {
    guard communicator.size > 1 else { return [] }
    let probe = try make(communicator, hostOfRank: hostOfRank, node: node, seconds: budget, limit: .max)
    defer { probe.free() }
    var samples = try probe.sharedMemory()
    for link in [LinkClass.sameNode, .sameHost, .otherHosts] { samples += try probe.samples(link) }
    return samples
  }

  /// Those of the links that messages of slices take: between hosts, and within them through shared memory, or what
  /// there is in its place. A tenth of a second each. Collective. `hostOfRank`: by rank, a number of its host. `node`:
  /// this rank's NUMA node, nil where it has no one.
  package static func measureForSlices(
    _ communicator: any Communicator, hostOfRank: [Int], node: Int?
  ) throws -> [LinkSample] {
    guard communicator.size > 1 else { return [] }
    let probe = try make(communicator, hostOfRank: hostOfRank, node: node, seconds: shortBudget, limit: shortLimit)
    defer { probe.free() }
    let between = try probe.samples(.otherHosts)
    let shared = try probe.sharedMemory()
    if !shared.isEmpty { return between + shared }
    let apart = try probe.samples(.sameHost)
    return between + (apart.isEmpty ? try probe.samples(.sameNode) : apart)
  }

  /// Of one kind of link; none where no two ranks have it.
  private func samples(_ link: LinkClass) throws -> [LinkSample] {
    guard let pair = pair(link) else { return [] }
    return try Self.pingPongBytes.filter { $0 <= limit }.map {
      LinkSample(link: link, messageBytes: $0, seconds: try pingPong(pair, bytes: $0))
    } + exchanges(link)
  }

  /// With room for all messages that are timed, to be freed; `node` is this rank's. Collective.
  private static func make(
    _ communicator: any Communicator, hostOfRank: [Int], node: Int?, seconds: Double, limit: Int
  ) throws -> LinkProbe {
    var nodes = [Int64](repeating: 0, count: communicator.size)
    nodes[communicator.rank.index] = Int64(node ?? -1)
    let nodeOfRank = try communicator.allReduce(nodes, .sum).map { Int($0) }
    var probe = LinkProbe(
      communicator, byteCount: max(pingPongBytes.max() ?? 0, (exchangeBytes.max() ?? 0) * communicator.size),
      hostOfRank: hostOfRank, nodeOfRank: nodeOfRank)
    (probe.seconds, probe.limit) = (seconds, limit)
    return probe
  }

  /// Room for messages of up to `byteCount` bytes, to be freed.
  init(_ communicator: any Communicator, byteCount: Int, hostOfRank: [Int] = [], nodeOfRank: [Int] = []) {
    (self.communicator, self.hostOfRank, self.nodeOfRank) = (communicator, hostOfRank, nodeOfRank)
    outgoing = .allocate(byteCount: byteCount, alignment: 64)
    incoming = .allocate(byteCount: byteCount, alignment: 64)
    // Touched now, not while being timed.
    for buffer in [outgoing, incoming] { buffer.initializeMemory(as: UInt8.self, repeating: 1) }
  }

  func free() {
    outgoing.deallocate()
    incoming.deallocate()
  }

  private func joins(_ a: Int, _ b: Int, _ link: LinkClass) -> Bool {
    guard a != b else { return false }
    let sameHost = hostOfRank[a] == hostOfRank[b]
    let sameNode = sameHost && nodeOfRank[a] >= 0 && nodeOfRank[a] == nodeOfRank[b]
    switch link {
    case .sharedMemory: return sameHost
    case .sameNode: return sameNode
    case .sameHost: return sameHost && !sameNode
    case .otherHosts: return !sameHost
    }
  }

  /// The first two ranks with such a link between them.
  private func pair(_ link: LinkClass) -> (Int, Int)? {
    for a in 0..<communicator.size {
      for b in (a + 1)..<max(communicator.size, a + 1) where joins(a, b, link) { return (a, b) }
    }
    return nil
  }

  /// Median seconds of `body` over as many rounds as the budget has room for; of the slowest rank. Collective.
  private func median(_ takesPart: Bool, _ body: () throws -> Void) throws -> Double {
    func time() throws -> Double {
      let start = Timestamp.now()
      if takesPart { try body() }
      return Double(Timestamp.now() &- start) / 1e9
    }
    try communicator.barrier()
    _ = try time()
    try communicator.barrier()
    let trial = Double(try communicator.allReduceMax(Int64(try time() * 1e9))) / 1e9
    let rounds = min(Self.roundLimit, max(5, Int(seconds / max(trial, 1e-7))))
    try communicator.barrier()
    var times: [Double] = []
    for _ in 0..<rounds { times.append(try time()) }
    return Double(try communicator.allReduceMax(Int64((times.median ?? 0) * 1e9))) / 1e9
  }

  /// Half of the way there and back.
  func pingPong(_ pair: (Int, Int), bytes: Int) throws -> Double {
    let (first, second) = pair
    let rank = communicator.rank.index
    let peer = Rank(rank == first ? second : first)
    return try median(rank == first || rank == second) {
      if rank == first { try send(to: peer, bytes) }
      try communicator.wait(
        try communicator.startReceive(into: .init(rebasing: incoming[..<bytes]), from: peer, tag: Self.tag))
      if rank == second { try send(to: peer, bytes) }
    } / 2
  }

  private func send(to peer: Rank, _ bytes: Int) throws {
    try communicator.wait(
      try communicator.startSend(UnsafeRawBufferPointer(rebasing: outgoing[..<bytes]), to: peer, tag: Self.tag))
  }

  /// Every rank sends to all it has such a link to, and receives from them.
  private func exchanges(_ link: LinkClass) throws -> [LinkSample] {
    let size = communicator.size
    let peers = (0..<size).map { rank in (0..<size).filter { joins(rank, $0, link) } }
    let own = peers[communicator.rank.index]
    let most = peers.map(\.count).max() ?? 0
    // Of the host, or the rank, that sends most.
    let messagesAtOnce =
      link == .otherHosts
      ? Set(hostOfRank).map { host in peers.indices.filter { hostOfRank[$0] == host }.reduce(0) { $0 + peers[$1].count }
      }.max() ?? 0 : most
    return try Self.exchangeBytes.map { bytes in
      let seconds = try median(true) {
        var requests: [PendingRequest] = []
        for (i, peer) in own.enumerated() {
          let place = UnsafeMutableRawBufferPointer(rebasing: incoming[(i * bytes)..<((i + 1) * bytes)])
          requests.append(try communicator.startReceive(into: place, from: Rank(peer), tag: Self.tag))
        }
        for (i, peer) in own.enumerated() {
          let place = UnsafeRawBufferPointer(rebasing: outgoing[(i * bytes)..<((i + 1) * bytes)])
          requests.append(try communicator.startSend(place, to: Rank(peer), tag: Self.tag))
        }
        for request in requests { try communicator.wait(request) }
      }
      return LinkSample(
        link: link, messageBytes: bytes, messagesAtOnce: most, bytesAtOnce: messagesAtOnce * bytes, seconds: seconds,
        isPingPong: false)
    }
  }

  /// Writing a message into memory that the other rank reads, until it has read it.
  private func sharedMemory() throws -> [LinkSample] {
    guard let pair = pair(.sharedMemory),
      let channels = try HostChannels(communicator, byteCount: Self.sharedBytes.max() ?? 0)
    else { return [] }
    let rank = communicator.rank.index
    let peer = Rank(rank == pair.0 ? pair.1 : pair.0)
    func pass(_ bytes: Int) throws {
      try channels.begin(to: peer).copyMemory(from: UnsafeRawBufferPointer(rebasing: outgoing[..<bytes]))
      try channels.send(to: peer, byteCount: bytes)
    }
    func take(_ bytes: Int) throws {
      if case .here(let message) = try channels.receive(from: peer) {
        UnsafeMutableRawBufferPointer(rebasing: incoming[..<bytes]).copyMemory(from: .init(rebasing: message[..<bytes]))
      }
      try channels.release(from: peer)
    }
    return try Self.sharedBytes.map { bytes in
      let seconds = try median(rank == pair.0 || rank == pair.1) {
        if rank == pair.0 { try pass(bytes) }
        try take(bytes)
        if rank == pair.1 { try pass(bytes) }
      }
      return LinkSample(link: .sharedMemory, messageBytes: bytes, seconds: seconds / 2)
    }
  }
}
