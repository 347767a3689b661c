import Checkpoints
import Foundation
import Machine
import MoEModel
import Synchronization
import Testing

/// What a loader sums does not depend on who reads what.
struct WeightSumTests {
  private func readSums(
    _ folder: any Checkpoint, _ weights: WeightPrecision, threads: Int, owns: @escaping (Int) -> Bool
  ) throws -> [TensorSum] {
    let description = try ModelConfiguration.read(folder).holding(weights)
    let pool = try WorkerPool(cores: Array(repeating: 0, count: threads), pin: false, oversubscribed: true)
    let budget = try WeightBudget.measure(description, checkpoint: folder, workerCount: threads) { owns($1) }
    let sums = ReadSums(folder)
    _ = try WeightLoader.load(
      description, checkpoint: folder, pool: pool, budget: budget, owns: { owns($1) }, sums: sums, progress: { _ in })
    return sums.sums
  }

  /// Checkpoints of every form: as published, packed by other programs, and GGUF files.
  static let forms =
    Golden.names.map { "goldens/\($0)" } + PackedCheckpointTests.names.map { "packed/\($0)" }
    + ["deepseek_v3", "dots1", "mistral4", "exaone_moe"].map { "gguf/\($0).gguf" }

  /// Each rank reads a tensor whole, or in parts that are one rank's alone; together they read every byte once.
  @Test(arguments: forms)
  func everyByteIsSummedOnce(name: String) throws {
    let folder = try CheckpointFormat.open(Golden.fixtures.appending(path: name).path)
    let expected = try folder.entries.map { try folder.readAll($0).withUnsafeBytes { TensorSum($0, at: 0) } }
    for (weights, threads, ranks) in [(WeightPrecision.auto, 1, 1), (.auto, 3, 2), (.q8, 2, 3), (.f32, 5, 1)] {
      let found = try (0..<ranks).map { rank in try readSums(folder, weights, threads: threads) { $0 % ranks == rank } }
      let layout = "\(weights), \(threads) threads, \(ranks) ranks"
      for (i, entry) in folder.entries.enumerated() {
        let wholes = found.map { $0[i] }.filter { $0.byteCount == entry.byteCount }
        #expect(wholes.allSatisfy { $0 == expected[i] }, "\(entry.name) with \(layout)")
        var parts = TensorSum()
        for sums in found where sums[i].byteCount < entry.byteCount { parts += sums[i] }
        #expect(parts.byteCount == 0 || parts == expected[i], "parts of \(entry.name) with \(layout)")
      }
      // All that the model has use for was read: what is left belongs to layers that predict further
      // tokens, or is a tied head.
      let unread = zip(folder.entries, found[0]).filter { $1.byteCount == 0 && ranks == 1 }.map(\.0.name)
      #expect(unread.count < folder.entries.count / 2, "\(unread)")
    }
  }

  /// Whatever the order of need: a disk is slow to go back and forth.
  @Test func matricesAreReadInTheOrderOfTheFiles() throws {
    let folder = try HuggingFaceFolder(path: Golden("qwen3_moe_bf16").folder)
    let memory = try MemoryCheckpoint(copying: folder, offset: { (1000 - $0) << 20 })
    let description = try ModelConfiguration.read(memory)
    let pool = try WorkerPool(cores: [0], pin: false, oversubscribed: true)
    let budget = try WeightBudget.measure(description, checkpoint: memory, workerCount: 1) { _, _ in true }
    _ = try WeightLoader.load(
      description, checkpoint: memory, pool: pool, budget: budget, owns: { _, _ in true }, sums: ReadSums(memory),
      progress: { _ in })
    let places = memory.askedFor.withLock { $0 }.compactMap { memory.tensor($0)?.byteOffset }
    #expect(places.count > 10 && places == places.sorted())
  }

  @Test func aScanFindsTheSameSumsInAnyShares() throws {
    let folder = try HuggingFaceFolder(path: Golden("deepseek_v3").folder)
    let pool = try WorkerPool(cores: [0, 0], pin: false, oversubscribed: true)
    let expected = try folder.entries.map { try folder.readAll($0).withUnsafeBytes { TensorSum($0, at: 0) } }
    for count in [1, 3] {
      var sums = [TensorSum](repeating: TensorSum(), count: folder.entries.count)
      for share in 0..<count {
        let scan = WeightScan.all(folder, share: share, of: count)
        for (i, sum) in scan.byTensor(try scan.run(pool: pool)).enumerated() { sums[i] += sum }
      }
      #expect(sums == expected)
    }
  }

  @Test(arguments: ["deepseek_v3", "gpt_oss", "qwen3_moe_bf16"])
  func samplesLieWithinTheirTensorsAndInEveryFile(name: String) throws {
    let folder = try HuggingFaceFolder(path: Golden(name).folder)
    let pieces = WeightScan.sample(folder).pieces
    #expect(Set(pieces.map { folder.entries[$0.position].fileIndex }) == Set(folder.files.indices))
    #expect(pieces.allSatisfy { !$0.range.isEmpty && $0.range.upperBound <= folder.entries[$0.position].byteCount })
  }
}
