import Backpropagation
import Fabric
import MoEModel
import TestSupport
import Testing
import Training

@testable import DistributedTraining

/// What a leaf may be: one sequence, several that attend each to itself, or nothing.
struct LeafTests {
  /// Tokens of sequences of several lengths; of some a part is only read.
  private func sequences(vocabulary: Int) -> [[Int32]] {
    [9, 24, 3, 17, 12].enumerated().map { number, count in
      (0..<count).map { i in
        let token = Int32((number * 31 + i * 7) % vocabulary)
        return number % 2 == 1 && i < count / 2 ? ~token : token
      }
    }
  }

  private func step(_ name: String, leaves: [[Int]], predicts: Bool = false, ranks: Int = 1) throws -> StepResult {
    try LocalFabric.run(size: ranks) { communicator in
      var training = TinyTraining(name)
      // Any rank has room for all.
      training.sequences *= ranks
      training.predicts = predicts
      let trainer = try training.trainer(communicator)
      let all = sequences(vocabulary: trainer.model.description.vocabularySize)
      let settings = training.settings(1e-3)
      return try trainer.timed {
        try trainer.update(
          1, rowsByLeaf: leaves.map { $0.reduce(0) { $0 + all[$1].count - 1 } }, loss: CrossEntropyLoss(),
          settings: settings, accepted: { $0.fault == nil },
          leaf: { leaf, rows in for number in leaves[leaf] { rows.append(all[number]) } })
      }
    }[0]
  }

  @Test(arguments: ["deepseek_v3", "qwen3_moe", "gpt_oss", "llama"])
  func sequencesOfALeafDoNotSeeEachOther(name: String) throws {
    let apart = try step(name, leaves: [[0], [1], [2], [3], [4]])
    for leaves in [[[0, 1, 2, 3, 4]], [[0, 1], [], [2, 3, 4]], [[], [0, 1, 2], [3], [4], []]] {
      let together = try step(name, leaves: leaves)
      #expect(together.predicted == apart.predicted)
      #expect(abs(together.loss - apart.loss) < 1e-12 * apart.loss, "\(leaves)")
      #expect(abs(together.balanceLoss - apart.balanceLoss) < 1e-9)
      #expect(abs(together.gradientNorm / apart.gradientNorm - 1) < 1e-4, "\(leaves)")
      #expect(together.loads == apart.loads)
    }
  }

  /// On four ranks two have a leaf each of which there is nothing to learn, on three one.
  @Test(arguments: ["deepseek_v3", "qwen3_moe", "gpt_oss", "llama"], [false, true])
  func ranksWithoutRowsLearnTheSame(name: String, predicts: Bool) throws {
    let leaves = [[], [0, 1, 2], [], [3, 4]]
    let alone = try step(name, leaves: leaves, predicts: predicts)
    for ranks in 2...4 {
      #expect(try step(name, leaves: leaves, predicts: predicts, ranks: ranks) == alone, "\(ranks) ranks")
    }
  }

  @Test func aPredictionModuleLooksAheadInItsSequenceOnly() throws {
    let apart = try step("deepseek_v3", leaves: [[0], [1], [2]], predicts: true)
    let together = try step("deepseek_v3", leaves: [[0, 1], [], [2]], predicts: true)
    #expect(together.predictionLoss != nil)
    #expect(abs((together.predictionLoss ?? 0) - (apart.predictionLoss ?? 1)) < 1e-9)
    #expect(abs(together.gradientNorm / apart.gradientNorm - 1) < 1e-4)
  }

  @Test(arguments: [Packing.whole, .cut])
  func documentsApartAreLearntTheSameOnAnyNumberOfRanks(packing: Packing) throws {
    try withTemporaryFolder { folder in
      var training = try TinyTextTraining(in: folder)
      (training.packing, training.steps) = (packing, 4)
      let alone = try training.run()
      let files = try training.digests()
      (training.out, training.ranks) = ("spread", 3)
      #expect(try training.run() == alone)
      #expect(try training.digests() == files)
    }
  }

  @Test func rowsSayWhatIsReadAndWhatIsLearnt() {
    var rows = LeafRows()
    rows.append([~5, ~6, 7, 8] as [Int32])
    rows.append([1] as [Int32])
    rows.append([2, 3, 4] as [Int32], predicted: 1)
    #expect(rows.tokens == [5, 6, 7, 2, 3])
    #expect(rows.next == [6, 7, 8, 3, 4])
    #expect(rows.targets == [-1, 7, 8, 3, -1])
    #expect(rows.ahead == [7, 8, -1, -1, -1])
    #expect(rows.sequences == [0..<3, 3..<5])
  }
}
