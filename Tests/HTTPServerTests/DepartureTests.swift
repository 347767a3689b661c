import NIOCore
import NIOPosix
import Testing

@testable import HTTPServer

/// What is told of a request whose client has gone or was cut off.
@Suite struct DepartureTests {
  /// What happens once a connection is closed, in any order: each is somebody else's doing.
  enum Sequel: CaseIterable {
    /// The request's last sequence ends, so that nothing waits for the departure any more.
    case sequencesEnd
    /// The connection says that it is closed.
    case departure
    /// Whoever writes the answer finds it closed.
    case failedWrite

    static var orders: [[Sequel]] {
      allCases.flatMap { first in
        let rest = allCases.filter { $0 != first }
        return [[first] + rest, [first] + rest.reversed()]
      }
    }
  }

  /// What the server tells of a request after `close` and `sequel`, by how it ended.
  private func ends(_ sequel: [Sequel], close: (Departure) -> Void) async throws -> [String: Int] {
    let server = try ModelServer(
      engine: FakeEngine(FakeEngine.Script([])),
      configuration: ServerConfiguration(modelNames: ["demo"], codec: TestModel.plain.codec, stopTokens: [1]))
    let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let (departure, record) = (Departure(), RequestRecord(.init(), logger: nil, metrics: server.metrics))
    let submission = try submission(of: record, to: server, channel, departure)
    close(departure)
    for event in sequel {
      switch event {
      case .sequencesEnd: submission.end()
      case .departure: departure.happen()
      case .failedWrite: record.close(.clientLeft)
      }
    }
    #expect(server.admission.isEmpty)
    try await channel.close().get()
    await server.pool.stop()
    let counts = server.metrics.current
    let ends = Dictionary(uniqueKeysWithValues: counts.ends.map { ($0.key.end, $0.value) })
    #expect(counts.slowClients == ends["client_too_slow"] ?? 0 && counts.departures == ends["client_left"] ?? 0)
    return ends
  }

  private func submission(
    of record: RequestRecord, to server: ModelServer, _ channel: any Channel, _ departure: Departure
  ) throws -> Submission {
    try RequestRecord.$current.withValue(record) {
      try Submission(
        server.admission.admit(1, slots: 1), mailbox: TokenMailbox(limit: 1), server: server, channel: channel,
        departure: departure)
    }
  }

  @Test(arguments: Sequel.orders) func whoIsCutOffIsTooSlowWhateverIsNoticedFirst(sequel: [Sequel]) async throws {
    #expect(try await ends(sequel) { $0.cutOff() } == ["client_too_slow": 1])
  }

  @Test(arguments: Sequel.orders) func whoGoesHasLeftWhateverIsNoticedFirst(sequel: [Sequel]) async throws {
    #expect(try await ends(sequel) { $0.happen() } == ["client_left": 1])
    // What was about to be cut off had gone.
    let both = try await ends(sequel) { departure in
      departure.happen()
      departure.cutOff()
    }
    #expect(both == ["client_left": 1])
  }

  /// A request that nobody holds any more is told, and asks why, when the departure lets go of it.
  @Test(arguments: 0..<3) func aRequestIsToldWhenTheDepartureLetsGoOfIt(way: Int) {
    let (metrics, departure) = (ServerMetrics(), Departure())
    do {
      let record = RequestRecord(.init(), logger: nil, metrics: metrics)
      record.note { $0.departure = departure }
      departure.onDeparture { withExtendedLifetime(record) {} }
    }
    #expect(metrics.current.ends.isEmpty)
    switch way {
    case 0: departure.forget()
    case 1: departure.onDeparture {}
    default:
      departure.cutOff()
      departure.happen()
    }
    #expect(metrics.current.slowClients == (way == 2 ? 1 : 0) && metrics.current.departures == (way == 2 ? 0 : 1))
  }

  @Test func whatWaitsForTheDepartureIsCalledByTheConnectionOnly() {
    let departure = Departure()
    let calls = RequestLogTests.Lines()
    departure.onDeparture { calls.add("gone") }
    departure.cutOff()
    #expect(calls.all.isEmpty && departure.isCutOff)
    departure.happen()
    departure.happen()
    #expect(calls.all == ["gone"])
  }
}
