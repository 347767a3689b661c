import Fabric
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing
import Training

@testable import DistributedTraining

/// Checkpoints are the same bytes whenever they are written, on any number of ranks, stopped and resumed or not.
struct CheckpointTests {
  private let folder = TemporaryFolder()

  private func training(_ out: String) throws -> TinyTextTraining {
    var training = try TinyTextTraining(in: folder)
    training.out = out
    return training
  }

  @Test(arguments: OptimizerKind.allCases) func checkpointsInTheBackgroundAreThoseThatAreWaitedFor(
    optimizer: OptimizerKind
  ) throws {
    var expected: [String: String]?
    for (mode, ranks) in [(CheckpointMode.waiting, 1), (.background, 1), (.waiting, 3), (.background, 3)] {
      var training = try training("\(mode)-\(ranks)")
      (training.optimizer, training.checkpoints, training.ranks) = (optimizer, mode, ranks)
      let told = try training.run()
      #expect(told.saved == [2, 4, 6], "\(mode), \(ranks) ranks")
      let digests = try training.digests()
      #expect(digests.count > 15 && digests == expected ?? digests, "\(mode), \(ranks) ranks")
      expected = digests
    }
  }

  /// A checkpoint after each step leaves no time for the one before: that is ended first.
  @Test func aCheckpointThatIsDueEndsTheOneBefore() throws {
    var training = try training("each")
    (training.saveEvery, training.checkpoints, training.ranks) = (1, .background, 2)
    #expect(try training.run().saved == [1, 2, 3, 4, 5, 6])
    let latest = try String(contentsOfFile: training.outPath + "/latest", encoding: .utf8)
    #expect(latest == "step-000006\n")
  }

  @Test(arguments: [("deepseek_v3", OptimizerKind.muon), ("gpt_oss", .adamW)])
  func aTrainingThatStopsAnywhereEndsWithTheSameBits(golden: String, optimizer: OptimizerKind) throws {
    var whole = try training("whole")
    (whole.golden, whole.optimizer, whole.saveEvery) = (golden, optimizer, 3)
    let told = try whole.run()
    let digests = try whole.digests().filter { $0.key.contains("-000006/") }
    #expect(digests.count > 4)
    for (stop, before, after) in [(1, 1, 3), (2, 3, 2), (3, 2, 1), (4, 5, 2), (5, 1, 5)] {
      var part = whole
      (part.out, part.ranks, part.stopAfter) = ("stopped-\(stop)", before, stop)
      let first = try part.run()
      #expect(first.steps == Array(told.steps.prefix(stop)) && first.saved.last == stop)
      (part.ranks, part.stopAfter, part.resumes) = (after, nil, true)
      let rest = try part.run()
      #expect(rest.steps == Array(told.steps.dropFirst(stop)), "stopped after \(stop)")
      #expect(try part.digests().filter { $0.key.contains("-000006/") } == digests, "stopped after \(stop)")
    }
  }

  /// Eight ranks, and ranks on hosts whose messages go through gateways.
  @Test func nothingDependsOnHowTokensTravel() throws {
    var alone = try training("alone")
    alone.steps = 3
    let told = try alone.run()
    let digests = try alone.digests()
    for (ranks, perHost) in [(8, nil), (4, 2), (6, 3), (8, 4)] as [(Int, Int?)] {
      var spread = alone
      (spread.out, spread.ranks, spread.ranksPerHost) = ("\(ranks)-\(perHost ?? 0)", ranks, perHost)
      #expect(try spread.run() == told, "\(ranks) ranks, \(perHost ?? ranks) a host")
      #expect(try spread.digests() == digests, "\(ranks) ranks, \(perHost ?? ranks) a host")
    }
  }

  @Test func everyInstructionSetGivesTheSameWholeRun() throws {
    var best = try training("best")
    best.steps = 4
    let told = try best.run()
    let digests = try best.digests()
    for isa in InstructionSet.supported {
      var other = best
      (other.out, other.isa) = ("\(isa)", isa)
      #expect(try other.run() == told && other.digests() == digests, "\(isa)")
    }
  }

  /// A disk that fails ends the training on all ranks, with the reason, and leaves the last whole checkpoint as it was.
  @Test(arguments: CheckpointMode.allCases, [1, 3])
  func aCheckpointThatCannotBeWrittenEndsTheTraining(mode: CheckpointMode, ranks: Int) throws {
    var training = try training("\(mode)-\(ranks)")
    (training.checkpoints, training.ranks, training.steps) = (mode, ranks, 8)
    let (out, aside) = (training.outPath, training.outPath + "-aside")
    training.onEvent = { event in
      // The folder is taken away between two checkpoints.
      if case .saved(2, _, _) = event { try? FileManager.default.moveItem(atPath: out, toPath: aside) }
    }
    let error = #expect(throws: FabricError.self) { try training.run() }
    #expect("\(error as Any)".contains("step-000004.partial"), "\(error as Any)")
    try FileManager.default.moveItem(atPath: aside, toPath: out)
    #expect(TrainingFolder.latestStep(in: out) == 2)
    (training.resumes, training.onEvent) = (true, { _ in })
    #expect(try training.run().saved == [4, 6, 8])
  }
}
