import ExpertParallelism
import Fabric
import ForwardingCommunicator
import MoEModel
import Telemetry
import Tensors
import TestSupport
import Testing

/// Pieces of rows that ranks bring each other.
struct SliceExchangeTests {
  private static let columns = 37

  /// Rows of which each rank has written the columns that `ranges` gives it, after some exchanges of other sizes.
  private func gather(
    ranks: Int, perHost: Int? = nil, room: Int, rows counts: [Int], ranges: [Range<Int>]
  ) throws -> [[[Float]]] {
    try LocalFabric.run(size: ranks) { local in
      let communicator: any Communicator = perHost.map { HostedCommunicator(local, ranksPerHost: $0) } ?? local
      let telemetry = RankTelemetry(layerCount: 1, expertCount: 0, rankCount: ranks)
      let exchange = try ClusterSliceExchange(
        communicator, rows: room, rowByteCount: Self.columns * 4, telemetry: telemetry,
        clocks: try PeerClocks(communicator))
      return try counts.enumerated().map { round, count in
        let storage = RowStorage<Float>(columns: Self.columns)
        storage.reserve(rows: max(count, 1))
        let view = storage.view(rows: count)
        let own = ranges[communicator.rank.index]
        for row in 0..<count {
          for column in 0..<Self.columns {
            view[row][column] = own.contains(column) ? Self.value(round, row, column) : -.infinity
          }
        }
        for (rank, range) in ranges.enumerated() { exchange.add(SlicePiece(view.columns(range)), from: rank) }
        try exchange.exchange()
        return (0..<count).flatMap { row in (0..<Self.columns).map { view[row][$0] } }
      }
    }
  }

  private static func value(_ round: Int, _ row: Int, _ column: Int) -> Float {
    Float(round * 100_000 + row * 100 + column)
  }

  @Test(arguments: [1, 2, 3, 5, 8], [0, 2, 64])
  func everyRankGetsEveryPiece(ranks: Int, room: Int) throws {
    let counts = [1, 0, 5, 1, 40, 2]
    var generator = SeededGenerator(UInt64(ranks * 100 + room))
    for _ in 0..<3 {
      // Some have nothing.
      let cuts = ([0, Self.columns] + (1..<ranks).map { _ in Int(abs(generator.float()) * 1000) % (Self.columns + 1) })
        .sorted()
      let ranges = (0..<ranks).map { cuts[$0]..<cuts[$0 + 1] }
      let found = try gather(ranks: ranks, room: room, rows: counts, ranges: ranges)
      for (round, count) in counts.enumerated() {
        let expected = (0..<count).flatMap { row in (0..<Self.columns).map { Self.value(round, row, $0) } }
        #expect(found.allSatisfy { $0[round] == expected }, "round \(round), \(ranges)")
      }
    }
  }

  /// In two stages where hosts have several ranks, or are many; straight where their ranks are not as many each.
  @Test(
    arguments: [(4, 2), (6, 2), (6, 3), (5, 2), (8, 1), (9, 1), (10, 1), (12, 1), (16, 4), (12, 3), (12, 2)], [0, 64])
  func everyRankGetsEveryPieceOfOtherHosts(hosts: (ranks: Int, perHost: Int), room: Int) throws {
    let counts = [1, 0, 5, 40, 1]
    var generator = SeededGenerator(UInt64(hosts.ranks * 10 + hosts.perHost))
    let cuts =
      ([0, Self.columns] + (1..<hosts.ranks).map { _ in Int(abs(generator.float()) * 1000) % (Self.columns + 1) })
      .sorted()
    let ranges = (0..<hosts.ranks).map { cuts[$0]..<cuts[$0 + 1] }
    let found = try gather(ranks: hosts.ranks, perHost: hosts.perHost, room: room, rows: counts, ranges: ranges)
    for (round, count) in counts.enumerated() {
      let expected = (0..<count).flatMap { row in (0..<Self.columns).map { Self.value(round, row, $0) } }
      #expect(found.allSatisfy { $0[round] == expected }, "round \(round), \(ranges)")
    }
  }

  /// What runs send between hosts is what projections count: each host's part once to each other host, in as many
  /// messages as `SliceRoutes` has.
  @Test(arguments: [(16, 4), (12, 3), (12, 2), (6, 3), (9, 1), (8, 1)])
  func messagesBetweenHostsAreThoseOfTheRoutes(hosts: (ranks: Int, perHost: Int)) throws {
    let (width, hostOfRank) = (3, (0..<hosts.ranks).map { $0 / hosts.perHost })
    let sent = try LocalFabric.run(size: hosts.ranks) { local -> [Traffic] in
      let communicator = HostedCommunicator(local, ranksPerHost: hosts.perHost)
      let telemetry = RankTelemetry(layerCount: 1, expertCount: 0, rankCount: hosts.ranks)
      let exchange = try ClusterSliceExchange(
        communicator, rows: 2, rowByteCount: 4 * width * hosts.ranks, telemetry: telemetry,
        clocks: try PeerClocks(communicator))
      let storage = RowStorage<Float>(columns: width * hosts.ranks)
      storage.reserve(rows: 2)
      for rank in 0..<hosts.ranks {
        exchange.add(SlicePiece(storage.view(rows: 2).columns((rank * width)..<((rank + 1) * width))), from: rank)
      }
      telemetry.beginStep(.decode)
      try exchange.exchange()
      return telemetry.traffic.byRank
    }
    let routes = SliceRoutes(hostOfRank: hostOfRank)
    var (messages, payload) = (0, 0)
    for rank in 0..<hosts.ranks {
      let far = hostOfRank.indices.filter { hostOfRank[$0] != hostOfRank[rank] }
      let own = far.reduce(0) { $0 + sent[rank][$1].messages }
      #expect(
        own == routes.stages(of: rank).reduce(0) { $0 + $1.peers.count { hostOfRank[$0.rank] != hostOfRank[rank] } })
      (messages, payload) = (messages + own, payload + far.reduce(0) { $0 + sent[rank][$1].gatherPayload })
    }
    let count = hosts.ranks / hosts.perHost
    #expect(payload == hosts.ranks * (count - 1) * 2 * width * 4)
    if routes.stageCount == 3 { #expect(messages == count * (count - 1)) }
  }

  /// Nothing of it goes to other hosts, and what follows goes to all again.
  @Test(arguments: [(4, 2), (6, 3), (4, 4), (3, 1)])
  func ranksOfAHostTellEachOther(hosts: (ranks: Int, perHost: Int)) throws {
    let told = try LocalFabric.run(size: hosts.ranks) { local -> (found: [Float], sent: Int) in
      let communicator = HostedCommunicator(local, ranksPerHost: hosts.perHost)
      let telemetry = RankTelemetry(layerCount: 1, expertCount: 0, rankCount: hosts.ranks)
      let exchange = try ClusterSliceExchange(
        communicator, rows: 4, rowByteCount: 64, telemetry: telemetry, clocks: try PeerClocks(communicator))
      let own = communicator.rank.index
      let first = own / hosts.perHost * hosts.perHost
      #expect(exchange.hostRanks == Array(first..<(first + hosts.perHost)))
      let storage = RowStorage<Float>(columns: hosts.ranks)
      storage.reserve(rows: 1)
      let view = storage.view(rows: 1)
      for column in 0..<hosts.ranks { view[0][column] = column == own ? Float(10 + own) : -1 }
      for rank in exchange.hostRanks { exchange.add(SlicePiece(view.columns(rank..<(rank + 1))), from: rank) }
      let before = local.bytesSent
      try exchange.exchangeWithinHost()
      let (found, sent) = ((0..<hosts.ranks).map { view[0][$0] }, local.bytesSent - before)
      for rank in 0..<hosts.ranks { exchange.add(SlicePiece(view.columns(rank..<(rank + 1))), from: rank) }
      try exchange.exchange()
      #expect((0..<hosts.ranks).map { view[0][$0] } == (0..<hosts.ranks).map { Float(10 + $0) })
      return (found, hosts.perHost == 1 ? sent : 0)
    }
    for (rank, one) in told.enumerated() {
      let host = rank / hosts.perHost
      #expect(one.found == (0..<hosts.ranks).map { $0 / hosts.perHost == host ? Float(10 + $0) : -1 })
      #expect(one.sent == 0)
    }
  }

  @Test func piecesOfAnotherSizeAreRefused() throws {
    let refusals = try LocalFabric.run(size: 2) { communicator -> String? in
      let telemetry = RankTelemetry(layerCount: 1, expertCount: 0, rankCount: 2)
      let exchange = try ClusterSliceExchange(
        communicator, rows: 8, rowByteCount: 64, telemetry: telemetry, clocks: try PeerClocks(communicator))
      let storage = RowStorage<Float>(columns: 8)
      storage.reserve(rows: 2)
      // Rank 1 believes that it has one number more than rank 0 knows of.
      let width = communicator.isRoot ? 3 : 4
      exchange.add(SlicePiece(storage.view(rows: 2).columns(0..<width)), from: 1)
      do { try exchange.exchange() } catch { return "\(error)" }
      return nil
    }
    #expect(refusals[0] != nil && refusals[1] == nil)
  }
}
