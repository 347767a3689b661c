import EngineAPI
import ExpertParallelism
import Fabric
import JSON
import MoEModel
import ModelRuntime
import TestSupport
import Testing

@testable import Inference

/// Experts of a prediction module: a layer that follows the model's own is placed, counted and moved as they are.
struct PredictionPlacementTests {
  private let folder = TemporaryFolder()

  private func options(
    _ mode: SpeculationMode, moves: Bool = false, replicas: Double = 0.5, path: String? = nil
  ) -> SessionOptions {
    var options = SessionOptions()
    options.threadsPerRank = 1
    options.cacheTokens = 1024
    (options.speculation.mode, options.speculation.adapts) = (mode, false)
    (options.experts.moves, options.experts.replicaShare, options.experts.placementPath) = (moves, replicas, path)
    return options
  }

  /// Requests under way, and what came of them.
  private struct Texts {
    let ids: [SequenceID]
    private(set) var drawn: [SequenceID: [Int32]] = [:]
    var all: [[Int32]] { ids.map { drawn[$0] ?? [] } }

    init(_ golden: Golden, _ loop: GenerationLoop) throws {
      ids = try (0..<3).map { prompt in
        try loop.submit(
          GenerationRequest(
            prompt: try golden.prompt(prompt), task: .generate(maxNewTokens: 32, sampling: .init(), stopTokens: [])))
      }
    }

    mutating func step(_ loop: GenerationLoop) throws {
      for case .token(let id, let token, _) in try loop.step() { drawn[id, default: []].append(token.token) }
    }
  }

  private func plain(_ golden: Golden) throws -> [[Int32]] {
    let session = try GenerationSession(
      model: golden.folder, options: options(.off), communicator: LocalCommunicator.solo()
    ) { _ in }
    let loop = session.makeLoop()
    var texts = try Texts(golden, loop)
    while loop.hasWork { try texts.step(loop) }
    return texts.all
  }

  /// Whether the weights that are sent from here are those that the placement gives to this rank.
  private func holdsItsPart(_ session: GenerationSession) -> Bool {
    let (placement, rank) = (session.model.placement, session.communicator.rank)
    return session.description.moeLayers.allSatisfy { layer in
      guard case .moe(let moe) = session.model.weights.runLayers[layer].feedForward else { return false }
      return moe.experts.indices.allSatisfy {
        (moe.experts[$0] != nil) == placement.holds(layer: layer, expert: $0, rank)
      }
    }
  }

  /// Visits that put nearly everything on what rank 0 owns.
  private func onFirst(_ session: GenerationSession) -> ExpertLoads {
    let layers = session.description.moeLayers
    return ExpertLoads(
      layers: layers,
      visits: layers.map { session.model.placement[$0].owners.map { $0 == Rank(0) ? 64 : 1 } }, steps: 2)
  }

  @Test(arguments: ["deepseek_v3_fp8", "glm4_moe_lite"], [2, 3])
  func aModulesExpertsMoveWithTheOthers(model: String, ranks: Int) throws {
    let golden = try Golden(model)
    let expected = try plain(golden)
    let found = try LocalFabric.run(size: ranks) { communicator -> [[Int32]] in
      let session = try GenerationSession(
        model: golden.folder, options: options(.mtp, moves: true), communicator: communicator
      ) { _ in }
      let module = session.description.layerCount
      #expect(session.description.moeLayers.last == module)
      guard communicator.isRoot else {
        try session.follow()
        #expect(holdsItsPart(session))
        #expect(session.model.weights.spareExperts.count == session.model.spareExperts[communicator.rank.index])
        return []
      }
      let loop = session.makeLoop()
      var texts = try Texts(golden, loop)
      var changes = 0
      for _ in 0..<3 {
        for _ in 0..<3 where loop.hasWork { try texts.step(loop) }
        let before = session.model.placement[module]
        try loop.beginRebalance(onFirst(session))
        while try loop.moveNext() == nil {
          #expect(holdsItsPart(session))
          if loop.hasWork { try texts.step(loop) }
        }
        if session.model.placement[module] != before { changes += 1 }
        #expect(holdsItsPart(session))
      }
      while loop.hasWork { try texts.step(loop) }
      #expect(changes > 0)
      let loads = try #require(try loop.collectLoads())
      #expect(loads.layers.last == module && loads.visits.last?.contains { $0 > 0 } == true)
      try loop.stop()
      return texts.all
    }
    #expect(found[0] == expected)
  }

  /// Another model is loaded while experts are on their way: its own lie where those before it lay, and go on.
  @Test(arguments: [2, 3]) func aModelThatTakesAnothersPlaceTakesItsPlacement(ranks: Int) throws {
    let golden = try Golden("glm4_moe_lite")
    let expected = try plain(golden)
    let found = try LocalFabric.run(size: ranks) { communicator -> [[[Int32]]] in
      let session = try GenerationSession(
        model: golden.folder, options: options(.mtp, moves: true), communicator: communicator
      ) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        #expect(holdsItsPart(session))
        return []
      }
      let loop = session.makeLoop()
      func run() throws -> [[Int32]] {
        var texts = try Texts(golden, loop)
        while loop.hasWork { try texts.step(loop) }
        return texts.all
      }
      var all = [try run()]
      try loop.beginRebalance(onFirst(session))
      _ = try loop.moveNext()
      let (placement, room) = (session.model.placement, session.model.spareExperts)
      #expect(placement != ModelPlacement(expertCount: placement.expertCount, rankCount: ranks))
      try loop.loadModel(golden.folder)
      #expect(session.model.placement == placement && session.model.spareExperts == room)
      #expect(holdsItsPart(session))
      all.append(try run())
      while loop.isRebalancing { _ = try loop.moveNext() }
      #expect(holdsItsPart(session))
      all.append(try run())
      try loop.stop()
      return all
    }
    #expect(found[0] == Array(repeating: expected, count: 3))
  }

  /// What a run with drafts has written is read by one without, and the other way round.
  @Test func runsWithAndWithoutDraftsTakeEachOthersPlacement() throws {
    let golden = try Golden("glm4_moe_lite")
    let expected = try plain(golden)
    func run(_ mode: SpeculationMode, path: String? = nil) throws -> (tokens: [[Int32]], file: PlacementFile) {
      let found = try LocalFabric.run(size: 2) { communicator -> ([[Int32]], PlacementFile)? in
        // Replicas of the layer that is not run have left their room to others.
        let options = options(mode, replicas: path == nil ? 0.5 : 2, path: path)
        let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
        #expect(holdsItsPart(session))
        guard communicator.isRoot else {
          try session.follow()
          return nil
        }
        let loop = session.makeLoop()
        var texts = try Texts(golden, loop)
        while loop.hasWork { try texts.step(loop) }
        var file = try #require(try loop.placementFile(model: "m"))
        file.placement = loop.plannedPlacement(onFirst(session))
        try loop.stop()
        return (texts.all, file)
      }
      return try #require(found[0])
    }
    for (first, second) in [(SpeculationMode.mtp, SpeculationMode.off), (.off, .mtp)] {
      let written = try run(first)
      let path = folder.write(written.file.json.text(), as: "\(first).json")
      let read = try run(second, path: path)
      #expect(written.tokens == expected && read.tokens == expected, "\(first), then \(second)")
    }
  }
}
