import Checkpoints
import EngineAPI
import Fabric
import Foundation
import JSON
import Kernels
import ModelRuntime
import MoEModel
import Telemetry
import Tensors
import TestSupport
import Testing

@testable import Inference

/// Modules that draft blocks (DSpark), against a twin in float64, and in the engine.
struct BlockDraftingTests {
  private static let settings: [(String, JSONValue)] = [
    ("compress_ratios", .array([0, 4, 128, 4, 0, 0].map { .int($0) })), ("dspark_block_size", .int(5)),
    ("dspark_noise_token_id", .int(63)), ("dspark_target_layer_ids", .array([.int(1), .int(3)])),
    ("dspark_markov_rank", .int(6)),
  ]

  /// Calls `body` with a folder of the published form that has the modules.
  private func withModules(
    changing change: (inout RewrittenCheckpoint) throws -> Void = { _ in }, _ body: (_ folder: String) throws -> Void
  ) throws {
    var whole = try RewrittenCheckpoint(try Golden("deepseek_v4"))
    try PredictionFixture("deepseek_v4_blocks").put(into: &whole)
    for (key, value) in Self.settings { whole.config[key] = value }
    try change(&whole)
    try whole.written { try body($0) }
  }

  // MARK: Values

  @Test func blocksAgreeWithTheTwin() throws {
    let twin = try BlockFixture()
    try withModules { folder in
      let found = try BlockReading(of: folder, twin.ids)
      let scale = twin.logits.map(abs).max() ?? 0
      #expect(found.logits.count == twin.logits.count && scale > 0)
      #expect(zip(found.logits, twin.logits).allSatisfy { abs($0 - $1) <= 1e-3 * scale })
      #expect(found.guesses == twin.worthTrying)
      // Blocks of every length but the greatest, and of it too.
      #expect(Set(twin.lengths).count >= 4, "\(twin.lengths)")
      for isa in InstructionSet.supported {
        let other = try BlockReading(of: folder, twin.ids, threads: 3, isa: isa)
        #expect(other.logits == found.logits && other.guesses == found.guesses, "\(isa)")
      }
    }
  }

  /// What was read in pieces, and what at once: chunks longer than the window, and several.
  @Test(arguments: [[29, 1], [3, 20, 7], [10, 10, 10], [1, 29]])
  func howATextWasReadChangesNoBit(pieces: [Int]) throws {
    let twin = try BlockFixture()
    try withModules { folder in
      let whole = try BlockReading(of: folder, twin.ids)
      let found = try BlockReading(of: folder, twin.ids, pieces: pieces)
      for (place, guesses) in found.guessesByPlace { #expect(guesses == whole.guessesByPlace[place], "\(place)") }
      #expect(found.guessesByPlace.count == pieces.count - 1)
    }
  }

  @Test(arguments: [WeightPrecision.q8, .bf16]) func roundedModulesAreNearly(weights: WeightPrecision) throws {
    let twin = try BlockFixture()
    try withModules { folder in
      let found = try BlockReading(of: folder, twin.ids, weights: weights).firstGuesses
      let same = zip(found, twin.firstGuesses).count { $0 == $1 }
      #expect(same > found.count / 2, "\(same) of \(found.count)")
    }
  }

  // MARK: In the engine

  private static let requests: RequestMaker = {
    var sampling = SamplingParameters()
    (sampling.temperature, sampling.seed) = (0.9, 3)
    return [45, 9, 9].enumerated().map { (i: Int, count: Int) -> GenerationRequest in
      let prompt = (0..<count).map { (place: Int) -> Int32 in Int32((place * 31 + i) % 60) }
      return GenerationRequest(
        prompt: prompt, task: .generate(maxNewTokens: 50, sampling: sampling, stopTokens: []))
    }
  }

  /// Wrong drafts leave states behind that the modules' windows, too, must go back from.
  @Test(arguments: 1...3) func textsAreTheSameWithAndWithout(ranks: Int) throws {
    try withModules { folder in
      let plain = try speculate(model: folder, SpeculatedLayout(), Self.requests)
      let settings: [(SpeculationMode, Int, Int)] = [(.mtp, 512, 5), (.mtp, 16, 3), (.auto, 512, 4), (.mtp, 512, 1)]
      for (mode, batchTokens, drafts) in settings {
        let layout = SpeculatedLayout(mode: mode, draftTokens: drafts, ranks: ranks, batchTokens: batchTokens)
        let run = try speculate(model: folder, layout, Self.requests)
        #expect(run.drawn == plain.drawn && run.failures == [nil, nil, nil], "\(layout)")
        #expect(run.speculation.draftedCount > 0, "\(layout)")
      }
    }
  }

  /// Each first guess is what the modules make of the whole text, whatever drafts were wrong before.
  @Test(arguments: 1...2) func guessesDoNotDependOnWrongDrafts(ranks: Int) throws {
    try withModules { folder in
      let layout = SpeculatedLayout(mode: .mtp, draftTokens: 5, ranks: ranks)
      let run = try speculate(model: folder, layout, Self.requests)
      let whole = try BlockReading(of: folder, Self.requests()[0].prompt + run.tokens[0])
      for (count, guess) in run.guesses { #expect(guess == whole.guessesByPlace[count - 2]?.first, "\(count)") }
      #expect(run.guesses.count > 3)
    }
  }

  /// A block is longer than a step may be: nothing is drafted, and nothing fails.
  @Test func shortStepsDraftNothing() throws {
    try withModules { folder in
      let plain = try speculate(model: folder, SpeculatedLayout(), Self.requests)
      let run = try speculate(model: folder, SpeculatedLayout(mode: .mtp, batchTokens: 4), Self.requests)
      #expect(run.drawn == plain.drawn && run.failures == [nil, nil, nil] && run.speculation.draftedCount == 0)
    }
  }

  /// With a head of zeros the model says the lowest id for ever, and so do modules that add nothing and are sure.
  @Test func rightDraftsTakeASixthOfTheSteps() throws {
    try withModules(changing: { whole in
      func fill(_ name: String, _ value: (_ place: Int) -> Float) throws {
        let old = try #require(whole.tensors[name])
        let count = old.shape.reduce(1, *)
        whole.tensors[name] = .init((0..<count).map(value), old.shape, as: .float32)
      }
      try fill("head.weight") { _ in 0 }
      try fill("mtp.1.markov_head.markov_w1.weight") { _ in 1 }
      try fill("mtp.1.markov_head.markov_w2.weight") { _ in 0 }
      try fill("mtp.1.confidence_head.proj.weight") { $0 < 64 ? 0 : 10 }
    }) { folder in
      let make: RequestMaker = {
        [GenerationRequest(prompt: [1, 2, 3], task: .generate(maxNewTokens: 41, sampling: .init(), stopTokens: []))]
      }
      let run = try speculate(model: folder, SpeculatedLayout(mode: .mtp, draftTokens: 5, ranks: 2), make)
      #expect(run.tokens == [Array(repeating: 0, count: 41)])
      #expect(run.steps == 1 + 7 && run.speculation.acceptance == 1)
    }
  }

  // MARK: Bad input

  private func failure(_ folder: String, _ mode: SpeculationMode) -> String {
    do {
      _ = try speculate(model: folder, SpeculatedLayout(mode: mode)) { [] }
      return ""
    } catch { return "\(error)" }
  }

  @Test(arguments: [
    "mtp.0.main_norm.weight", "mtp.0.attn.wkv.weight", "mtp.1.attn.attn_sink", "mtp.1.ffn.experts.3.w3.weight",
    "mtp.1.norm.weight", "mtp.1.hc_head_fn", "mtp.1.markov_head.markov_w1.weight", "mtp.1.markov_head.markov_w2.weight",
    "mtp.1.confidence_head.proj.weight",
  ])
  func whatModulesLackIsNamed(name: String) throws {
    for isReshaped in [false, true] {
      try withModules(changing: { whole in
        _ = try #require(whole.tensors[name])
        whole.tensors[name] = isReshaped ? .init([1, 2, 3], [3], as: .float32) : nil
      }) { folder in
        #expect(failure(folder, .mtp).contains(name.dropLast(isReshaped ? 0 : 6)), "\(failure(folder, .mtp))")
        #expect(failure(folder, .off) == "" && failure(folder, .lookup) == "")
        let run = try speculate(model: folder, SpeculatedLayout(mode: .auto)) { [] }
        #expect(run.notes.contains { $0.contains("is not whole") }, "\(run.notes)")
      }
    }
  }

  /// Without what joins them to the model, or settings of theirs, modules are left out, with a note.
  @Test func otherModulesAreLeftOut() throws {
    let changes: [(inout RewrittenCheckpoint) -> Void] = [
      { $0.tensors["mtp.0.main_proj.weight"] = nil }, { $0.config["dspark_block_size"] = nil },
      { $0.config["dspark_target_layer_ids"] = nil },
      { $0.tensors["mtp.9.main_norm.weight"] = .init([1], [1], as: .float32) },
    ]
    for (i, change) in changes.enumerated() {
      try withModules(changing: { change(&$0) }) { folder in
        let read = try ModelConfiguration.read(try CheckpointFormat.open(folder))
        #expect(read.blockDrafting == nil && read.predictionLayerCount == 0, "\(i)")
        #expect(read.outerPredictionLayerCount == (i == 3 ? 3 : 2) && read.unreadTensors == [], "\(i)")
        #expect(failure(folder, .mtp).contains("has no multi-token prediction layer"), "\(i)")
        let run = try speculate(model: folder, SpeculatedLayout()) { [] }
        #expect(run.notes.contains { $0.contains("of a kind that does not draft here") }, "\(run.notes)")
      }
    }
  }

  @Test func modulesThatAreNotAskedForAreLeftOut() throws {
    try withModules { folder in
      let read = try ModelConfiguration.read(try CheckpointFormat.open(folder))
      #expect(read.predictionLayerCount == 2 && read.outerPredictionLayerCount == 0 && read.unreadTensors == [])
      #expect(!read.unreadSettings.contains { $0.contains("dspark") })
      #expect(read.runLayers.count == 4 && read.predicting().runLayers.count == 6)
      let run = try speculate(model: folder, SpeculatedLayout()) { [] }
      #expect(run.notes.contains { $0.contains("--speculate mtp drafts with them") }, "\(run.notes)")
    }
  }

  @Test(arguments: [
    ("dspark_block_size", "0"), ("dspark_block_size", "65"), ("dspark_block_size", "\"5\""),
    ("dspark_noise_token_id", "64"), ("dspark_noise_token_id", "-1"), ("dspark_target_layer_ids", "[3, 1]"),
    ("dspark_target_layer_ids", "[1, 1]"), ("dspark_target_layer_ids", "[1, 4]"), ("dspark_target_layer_ids", "[-1]"),
    ("dspark_target_layer_ids", "[1.5]"), ("dspark_markov_rank", "0"), ("dspark_markov_rank", "9007199254740993"),
  ])
  func settingsOutOfBoundsAreNamed(key: String, value: String) throws {
    let value = try JSONValue(parsing: value)
    try withModules(changing: { $0.config[key] = value }) { folder in
      #expect(failure(folder, .off).contains(key), "\(failure(folder, .off))")
    }
  }
}

/// The modules of the fixture, and what their twin makes of a text.
private struct BlockFixture {
  let ids: [Int32]
  let logits: [Float]
  let guesses: [Int32]
  let chances: [Float]

  init() throws {
    let path = Golden.fixtures.appending(path: "prediction/deepseek_v4_blocks.safetensors").path
    let file = try SafetensorsFile(path: path)
    func floats(_ name: String) throws -> [Float] { try file.tensor(name).map { try file.float32s($0) } ?? [] }
    func ints(_ name: String) throws -> [Int32] { try file.tensor(name).map { try file.int32s($0) } ?? [] }
    (ids, guesses) = (try ints("ids"), try ints("guesses"))
    (logits, chances) = (try floats("logits"), try floats("chances"))
  }

  /// Guesses, -1 from where they are not worth trying.
  var worthTrying: [Int32] { zip(guesses, chances).map { $1 >= BlockFixture.least ? $0 : -1 } }
  /// Worth it or not.
  var firstGuesses: [Int32] { stride(from: 0, to: guesses.count, by: 5).map { guesses[$0] } }
  var lengths: [Int] {
    stride(from: 0, to: chances.count, by: 5).map { block in chances[block..<(block + 5)].count { $0 >= 0.5 } }
  }
  private static let least: Float = 0.5
}

/// What modules draft after each token of a text that the model reads in pieces, one by one unless told otherwise; a
/// block follows each piece but the last.
private struct BlockReading {
  /// Of the head alone, `[blocks, places, vocabulary]`.
  var logits: [Float] = []
  /// `[blocks, places]`
  var guesses: [Int32] = []
  /// By the place of the token before a block, those that are worth trying.
  var guessesByPlace: [Int: [Int32]] = [:]
  /// Of each block the greatest of the first place's logits with what the token before adds: of the fixture's size.
  var firstGuesses: [Int32] = []

  init(
    of folder: String, _ tokens: [Int32], pieces: [Int]? = nil, threads: Int = 1, isa: InstructionSet = .best,
    weights: WeightPrecision = .auto
  ) throws {
    let one = try LoneDecoder(of: folder, tokenCount: tokens.count, threads: threads, isa: isa, weights: weights)
    try withExtendedLifetime(one) {
      let decoder = one.decoder
      let size = try #require(decoder.blockSize)
      let noise = Int32(try #require(one.description.blockDrafting).noiseToken)
      var read = 0
      for count in pieces ?? Array(repeating: 1, count: tokens.count) {
        let piece = one.batch(Array(tokens[read..<(read + count)]), at: read)
        _ = try decoder.forward(piece)
        decoder.readAhead(piece)
        read += count
        guard read < tokens.count else { break }
        let block = one.batch([tokens[read]] + Array(repeating: noise, count: size - 1), at: read)
        let found = try #require(try decoder.blockLogits(block))
        for row in 0..<size { logits += UnsafeBufferPointer(start: found[row], count: found.columns) }
        var own: [Int32] = []
        try decoder.draftBlocks(block, into: &own)
        guesses += own
        guessesByPlace[read - 1] = own.filter { $0 >= 0 }
        let shifted = UnsafeBufferPointer(start: found[0], count: found.columns)
        firstGuesses.append(Int32(shifted.indices.max { shifted[$0] < shifted[$1] } ?? 0))
      }
    }
  }
}
