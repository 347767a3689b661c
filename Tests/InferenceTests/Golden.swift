import Checkpoints
import EngineAPI
import Fabric
import Foundation
import Inference
import Kernels
import Machine
import ModelRuntime
import MoEModel
import TestSupport

/// A tiny checkpoint with the reference implementation's outputs (see `Tests/Fixtures/README.md`).
struct Golden: Sendable {
  static let names = FamilyFixtures.goldens
  /// Those of the families whose attention goes to positions that an indexer chooses.
  static let indexed = FamilyFixtures.indexed
  /// The families with gated DeltaNet.
  static let deltas = FamilyFixtures.deltas
  /// DeepSeek-V4: as published, and as transformers saves it.
  static let compressed = FamilyFixtures.compressed
  static let fixtures = Page.root.appending(path: "Tests/Fixtures")

  let name: String
  let folder: String
  let file: SafetensorsFile

  init(_ name: String) throws {
    self.name = name
    folder = FamilyFixtures.folder(name)
    file = try SafetensorsFile(path: folder + "/goldens.safetensors")
  }

  private func entry(_ name: String) -> TensorEntry { file.tensor(name)! }
  func ints(_ name: String) throws -> [Int32] { try file.int32s(entry(name)) }
  func floats(_ name: String) throws -> [Float] { try file.float32s(entry(name)) }

  var promptCount: Int { (0...).first { file.tensor("p\($0).input_ids") == nil }! }
  func prompt(_ i: Int) throws -> [Int32] { try ints("p\(i).input_ids") }
  func greedy(_ i: Int) throws -> [Int32] { try ints("p\(i).greedy") }
  /// Prompt and all but the last of its continuation: the positions `logits` covers.
  func scoredIDs(_ i: Int) throws -> [Int32] { try prompt(i) + greedy(i).dropLast() }

  /// Calls `body` with a folder of the golden's model, quantised.
  func withQuantised<Result>(to weights: WeightPrecision, _ body: (_ folder: String) throws -> Result) throws -> Result
  {
    let checkpoint = try CheckpointFormat.open(folder)
    let plan = try QuantizationPlan(
      try ModelConfiguration.read(checkpoint), checkpoint: checkpoint, to: weights, widensOthers: false)
    return try withTemporaryFolder { temporary in
      let path = temporary.file("quantised")
      try QuantizedCheckpoint(plan, checkpoint: checkpoint, precision: weights)
        .write(to: path, pool: try WorkerPool(workerCount: 2)) { _ in }
      return try body(path)
    }
  }
}

/// How a run is laid out; no layout may change a bit of what it computes.
struct Layout: Sendable, CustomStringConvertible {
  var ranks = 1
  var threads = 1
  var batchTokens = 512
  /// All prompts in one batch, or one after another.
  var together = true
  var cacheType = CacheType.f32
  var weights = WeightPrecision.auto
  var isa = InstructionSet.best
  var sharing = RankLayout.spread
  /// Whether experts stay whole where all else is sliced.
  var movesExperts = false
  var description: String {
    """
    \(ranks) ranks × \(threads) threads, \(batchTokens) tokens a step, \(together ? "together" : "one by one"), \
    cache \(cacheType), weights \(weights), \(isa), \(sharing)\(movesExperts ? " but for experts" : "")
    """
  }
}

/// Everything a run of a golden's prompts gives, to be compared bit by bit.
struct RunResult: Equatable, Sendable {
  var logits: [[Float]] = []
  var experts: [[[Int32]]] = []
  var weights: [[[Float]]] = []
  var layers: [Int] = []
  var greedy: [[Int32]] = []
}

/// Scores and continues prompts on `layout.ranks` ranks, each a thread of this process. Prompt i is continued with
/// the seed `sampling.seed + i`.
func run(
  model: String, scored: [[Int32]], prompts: [[Int32]], newTokens: Int, layout: Layout,
  sampling: SamplingParameters = SamplingParameters()
) throws -> RunResult {
  try run(
    opening: { try CheckpointFormat.open(model) }, scored: scored, prompts: prompts, newTokens: newTokens,
    layout: layout, sampling: sampling)
}

/// The same with the checkpoint that `open` gives each rank.
func run(
  opening open: @escaping @Sendable () throws -> any Checkpoint, scored: [[Int32]], prompts: [[Int32]],
  newTokens: Int, layout: Layout, sampling: SamplingParameters = SamplingParameters()
) throws -> RunResult {
  let results = try LocalFabric.run(size: layout.ranks) { communicator -> RunResult? in
    var options = SessionOptions()
    options.threadsPerRank = layout.threads
    options.batchTokens = layout.batchTokens
    options.cacheTokens = 4096
    options.cacheType = layout.cacheType
    options.weights = layout.weights
    options.instructionSet = layout.isa
    options.layout = layout.sharing
    options.experts.moves = layout.movesExperts
    let session = try GenerationSession(opening: open, options: options, communicator: communicator) { _ in }
    guard communicator.isRoot else {
      try session.follow()
      return nil
    }
    return try session.drive(
      scored: scored, prompts: prompts, newTokens: newTokens, together: layout.together, sampling: sampling)
  }
  return results[0]!
}

extension GenerationSession {
  fileprivate func drive(
    scored: [[Int32]], prompts: [[Int32]], newTokens: Int, together: Bool, sampling: SamplingParameters
  ) throws -> RunResult {
    let loop = makeLoop()
    var result = RunResult()
    var chunks: [SequenceID: [ScoredChunk]] = [:]
    var drawn: [SequenceID: [Int32]] = [:]
    var ids: [SequenceID] = []
    func work() throws {
      while loop.hasWork {
        for event in try loop.step() {
          switch event {
          case .token(let id, let token, _): drawn[id, default: []].append(token.token)
          case .scored(let id, let chunk, _): chunks[id, default: []].append(chunk)
          case .failed(_, let reason): throw InferenceError.sequenceFailed(reason)
          case .started, .embedded: break
          }
        }
      }
    }
    var scoring = ScoringOptions()
    scoring.returnsLogits = true
    scoring.returnsRouting = true
    let tasks =
      scored.map { GenerationRequest(prompt: $0, task: .score(scoring)) }
      + prompts.enumerated().map { i, prompt in
        var sampling = sampling
        sampling.seed += UInt64(i)
        return GenerationRequest(
          prompt: prompt, task: .generate(maxNewTokens: newTokens, sampling: sampling, stopTokens: []))
      }
    for task in tasks {
      ids.append(try loop.submit(task))
      if !together { try work() }
    }
    try work()
    try loop.stop()
    for id in ids.prefix(scored.count) {
      let parts = chunks[id]!.sorted { $0.firstPosition < $1.firstPosition }
      result.logits.append(parts.flatMap(\.logits))
      result.layers = parts[0].routing.map(\.layer)
      result.experts.append(parts[0].routing.indices.map { i in parts.flatMap { $0.routing[i].experts } })
      result.weights.append(parts[0].routing.indices.map { i in parts.flatMap { $0.routing[i].weights } })
    }
    for id in ids.dropFirst(scored.count) { result.greedy.append(drawn[id]!) }
    return result
  }
}
