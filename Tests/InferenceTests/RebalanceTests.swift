import EngineAPI
import ExpertParallelism
import Fabric
import Foundation
import JSON
import ModelRuntime
import MoEModel
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Inference

/// Experts that lie elsewhere, or change places while sequences are under way: the tokens of one rank, in memory that
/// was there from the start.
struct RebalanceTests {
  private let folder = TemporaryFolder()

  private func options(moves: Bool = true, replicas: Double = 0.5, path: String? = nil) -> SessionOptions {
    var options = SessionOptions()
    options.threadsPerRank = 1
    options.cacheTokens = 1024
    (options.experts.moves, options.experts.replicaShare, options.experts.placementPath) = (moves, replicas, path)
    return options
  }

  private func submit(_ golden: Golden, to loop: GenerationLoop) throws -> [SequenceID] {
    try (0..<3).map { prompt in
      try loop.submit(
        GenerationRequest(
          prompt: try golden.prompt(prompt), task: .generate(maxNewTokens: 32, sampling: .init(), stopTokens: [])))
    }
  }

  private func step(_ loop: GenerationLoop, _ drawn: inout [SequenceID: [Int32]]) throws {
    for case .token(let id, let token, _) in try loop.step() { drawn[id, default: []].append(token.token) }
  }

  @Test(
    arguments: ["deepseek_v3", "qwen3_moe", "gpt_oss_mxfp4", "mixtral"],
    [(2, RankLayout.spread), (3, .spread), (2, .sliced), (3, .sliced)])
  func sequencesUnderWayGoOnAsThoughNothingHadMoved(model: String, ranks: (count: Int, layout: RankLayout)) throws {
    let golden = try Golden(model)
    let expected = try (0..<3).map { try golden.greedy($0) }
    var options = options()
    options.layout = ranks.layout
    let found = try LocalFabric.run(size: ranks.count) { [options] communicator -> [[Int32]] in
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      let layers = session.description.moeLayers
      let all =
        session.model.spareExperts[communicator.rank.index]
        + session.model.placement.expertCount(of: communicator.rank, layers: layers)
      guard communicator.isRoot else {
        try session.follow()
        #expect(session.model.weights.spareExperts.count == session.model.spareExperts[communicator.rank.index])
        return []
      }
      let loop = session.makeLoop()
      let ids = try submit(golden, to: loop)
      var drawn: [SequenceID: [Int32]] = [:]
      var changes = 0
      for seed in 1...3 as ClosedRange<UInt64> {
        for _ in 0..<3 { try step(loop, &drawn) }
        let before = session.model.placement
        try loop.beginRebalance(.skewed(session, upTo: 7, seed: seed))
        var report: RebalanceReport?
        while report == nil {
          report = try loop.moveNext()
          let held = session.model.placement.expertCount(of: communicator.rank, layers: layers)
          let room = session.model.spareExperts[communicator.rank.index]
          #expect(held + room == all && room >= 1, "no more memory than at the start")
          #expect(session.model.weights.spareExperts.count == room)
          if loop.hasWork { try step(loop, &drawn) }
        }
        #expect(!loop.isRebalancing)
        if session.model.placement != before { changes += 1 }
        let done = try #require(report)
        #expect(max(done.visitsAfter, done.expertsAfter) <= max(done.visitsBefore, done.expertsBefore) + 1e-9)
      }
      while loop.hasWork { try step(loop, &drawn) }
      #expect(try loop.status().rebalances == 3)
      #expect(changes > 0)
      try loop.stop()
      return ids.map { drawn[$0] ?? [] }
    }
    #expect(found[0] == expected)
  }

  /// Owners in the opposite order, and a replica in each layer.
  private func turned(_ placement: ModelPlacement, layers: [Int]) -> ModelPlacement {
    layers.reduce(placement) { placement, layer in
      let owners = Array(placement[layer].owners.reversed())
      var replicas = owners.map { _ in [Rank]() }
      replicas[0] = [owners[0] == Rank(0) ? Rank(1) : Rank(0)]
      return placement.replacing(
        layer: layer, with: ExpertPlacement(owners: owners, replicas: replicas, rankCount: placement.rankCount))
    }
  }

  /// Written by one run, read by rank 0 of another.
  @Test(arguments: [2, 3], [false, true]) func aPlacementFileChangesNoToken(ranks: Int, moves: Bool) throws {
    let golden = try Golden("deepseek_v3")
    func run(_ options: SessionOptions) throws -> (tokens: [[Int32]], file: String, memory: [Int]) {
      let found = try LocalFabric.run(size: ranks) { communicator -> ([[Int32]], String, [Int])? in
        let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
        guard communicator.isRoot else {
          try session.follow()
          return nil
        }
        let loop = session.makeLoop()
        let ids = try submit(golden, to: loop)
        var drawn: [SequenceID: [Int32]] = [:]
        while loop.hasWork { try step(loop, &drawn) }
        var file = try #require(try loop.placementFile(model: "m"))
        file.placement = turned(file.placement, layers: file.layers)
        try loop.stop()
        return (ids.map { drawn[$0] ?? [] }, file.json.text(), session.model.report.memoryByRank)
      }
      return try #require(found[0])
    }
    let plain = try run(options(moves: false))
    let path = folder.write(plain.file, as: "placement.json")
    let placed = try run(options(moves: moves, path: path))
    let greedy = try (0..<3).map { try golden.greedy($0) }
    #expect(placed.tokens == greedy && plain.tokens == greedy)
    #expect(placed.memory.reduce(0, +) > plain.memory.reduce(0, +), "replicas, and room for more, are counted")
  }

  @Test func aFileThatDoesNotFitIsRefusedOnAllRanksTogether() throws {
    let golden = try Golden("deepseek_v3")
    func failure(_ text: String, replicas: Double = 0.5) -> String {
      let path = folder.write(text, as: "p.json")
      do {
        _ = try LocalFabric.run(size: 2) { communicator in
          _ = try GenerationSession(
            model: golden.folder, options: options(moves: false, replicas: replicas, path: path),
            communicator: communicator
          ) { _ in }
        }
        return ""
      } catch { return "\(error)" }
    }
    #expect(failure("{").contains("is no placement"))
    #expect(
      failure(#"{"schema":"martinet-placement","version":1,"experts":3,"ranks":2,"layers":[]}"#).contains(
        "does not fit"))
    let missing = folder.file("nothing.json")
    #expect(throws: (any Error).self) {
      try LocalFabric.run(size: 2) { communicator in
        _ = try GenerationSession(
          model: golden.folder, options: options(path: missing), communicator: communicator
        ) { _ in }
      }
    }
  }

  @Test func whatCannotBeMovedIsNamedAndLeavesThePlacement() throws {
    let golden = try Golden("deepseek_v3")
    let expected = try (0..<3).map { try golden.greedy($0) }
    let found = try LocalFabric.run(size: 2) { communicator -> [[Int32]] in
      let session = try GenerationSession(model: golden.folder, options: options(), communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return []
      }
      let loop = session.makeLoop()
      let before = session.model.placement
      let layer = session.description.moeLayers[0]
      let experts = session.description.moe?.expertCount ?? 0
      let bad: [([ExpertMove], String)] = [
        ([ExpertMove(layer: 999, expert: 0, holders: [Rank(0)])], "expert 0 of layer 999 is none of this model's"),
        ([ExpertMove(layer: layer, expert: experts, holders: [Rank(0)])], "expert \(experts)"),
        ([ExpertMove(layer: layer, expert: -1, holders: [Rank(0)])], "expert -1"),
        ([ExpertMove(layer: layer, expert: 0, holders: [])], "is to be held by []"),
        ([ExpertMove(layer: layer, expert: 0, holders: [Rank(2)])], "[2], on 2 ranks"),
        ([ExpertMove(layer: layer, expert: 0, holders: [Rank(1), Rank(1)])], "[1, 1]"),
        (
          Array(repeating: ExpertMove(layer: layer, expert: 0, holders: [Rank(1)]), count: 2),
          "is to be moved twice at once"
        ),
        (
          session.description.moeLayers.flatMap { layer in
            (0..<experts).map { ExpertMove(layer: layer, expert: $0, holders: [Rank(0)]) }
          }, "and has room for"
        ),
      ]
      for (moves, words) in bad {
        do {
          try loop.command(.moveExperts(moves))
          Issue.record("\(words): taken")
        } catch { #expect("\(error)".contains(words) && "\(error)".contains("stay where they are"), "\(error)") }
        #expect(session.model.placement == before)
      }
      let ids = try submit(golden, to: loop)
      var drawn: [SequenceID: [Int32]] = [:]
      while loop.hasWork { try step(loop, &drawn) }
      try loop.stop()
      return ids.map { drawn[$0] ?? [] }
    }
    #expect(found[0] == expected)
  }

  @Test func withoutRoomOrVisitsNothingBegins() throws {
    let golden = try Golden("deepseek_v3")
    for (ranks, moves, words) in [(2, false, "--rebalance"), (1, true, "one rank only"), (2, true, "no token has")] {
      _ = try LocalFabric.run(size: ranks) { communicator in
        let session = try GenerationSession(
          model: golden.folder, options: options(moves: moves), communicator: communicator
        ) { _ in }
        guard communicator.isRoot else { return try session.follow() }
        let loop = session.makeLoop()
        let loads = try #require(try loop.collectLoads())
        do throws(RuntimeError) {
          try loop.beginRebalance(loads)
          Issue.record("\(words): begun")
        } catch { #expect("\(error)".contains(words), "\(error)") }
        try loop.stop()
      }
    }
  }

  /// Asked for from another thread while requests are served.
  @Test(arguments: [1, 2]) func anEngineMovesExpertsWhenItIsAsked(ranks: Int) throws {
    let golden = try Golden("deepseek_v3")
    let (prompt, greedy) = (try golden.prompt(0), try golden.greedy(0))
    let engine = LocalEngine { _, _ in throw NoGrammars() }
    let tokens = Mutex<[Int: [Int32]]>([:])
    let notes = Mutex<[String]>([])
    let user = Thread {
      func wait(_ isMet: () -> Bool) { _ = eventually(isMet) }
      for id in 0..<4 {
        engine.submit(TokenRequest(id: RequestID(id), prompt: prompt, maxNewTokens: 32)) { event in
          if case .token(_, let token, _) = event { tokens.withLock { $0[id, default: []].append(token.token) } }
        }
        wait { tokens.withLock { $0[id]?.count ?? 0 } > 2 }
        engine.rebalance()
      }
      wait { (0..<4).allSatisfy { id in tokens.withLock { $0[id]?.count ?? 0 } == 32 } }
      wait {
        let status = engine.status
        return ranks == 1 ? !status.rebalanceFailure.isEmpty : status.rebalances > 0 && !status.isRebalancing
      }
      engine.stop()
    }
    user.start()
    _ = try LocalFabric.run(size: ranks) { communicator in
      let session = try GenerationSession(model: golden.folder, options: options(), communicator: communicator) { _ in }
      guard communicator.isRoot else { return try session.follow() }
      #expect(session.facts.movesExperts == (ranks > 1))
      let loop = session.makeLoop()
      try engine.run(loop, facts: session.facts, onInterrupt: {}) { note in notes.withLock { $0.append(note) } }
      try loop.stop()
    }
    for id in 0..<4 { #expect(tokens.withLock { $0[id] } == greedy) }
    #expect(notes.withLock { !$0.isEmpty })
    #expect(ranks == 1 ? engine.status.rebalanceFailure.contains("one rank only") : engine.status.rebalances > 0)
  }

  private struct NoGrammars: Error {}

  @Test func aScheduleLooksAtWhatWasCountedSinceItLooked() {
    var (quiet, uneven) = (BusiestRank(), BusiestRank())
    (quiet.maxVisits, quiet.meanVisits, quiet.maxExperts, quiet.meanExperts) = (110, 100, 100, 100)
    uneven = quiet
    uneven.maxVisits += 150
    uneven.meanVisits += 100
    let schedule = RebalanceSchedule(interval: .zero, threshold: 1.2)
    let mark = RebalanceSchedule.Mark(time: .now, busiest: quiet, loads: nil)
    let loads = ExpertLoads(layers: [1], visits: [[1, 2]], steps: 100)
    #expect(schedule.isDue(since: mark) && !RebalanceSchedule().isDue(since: mark))
    #expect(schedule.calls(loads, from: mark, to: uneven), "1.5 since, though 1.3 in all")
    #expect(!schedule.calls(loads, from: .init(time: .now, busiest: BusiestRank(), loads: nil), to: quiet))
    #expect(!schedule.calls(ExpertLoads(layers: [1], visits: [[1, 2]], steps: 5), from: mark, to: uneven), "chance")
    var report = RebalanceReport()
    (report.visitsBefore, report.visitsAfter) = (1.5, 1.49)
    #expect(!RebalanceSchedule.pays(report))
    report.visitsAfter = 1.1
    #expect(RebalanceSchedule.pays(report))
  }
}
