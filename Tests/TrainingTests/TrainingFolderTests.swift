import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import Training

/// Whatever happens to a training, the last whole checkpoint is found.
@Suite struct TrainingFolderTests {
  private let folder = TemporaryFolder()

  private func training(_ name: String = "run") throws -> SavedTraining {
    try SavedTraining(smallIn: folder.file(name))
  }

  private func names(_ path: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0 != ".lock" }.sorted()
  }

  private func latest(_ path: String) -> String {
    FileManager.default.contents(atPath: "\(path)/latest").map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// The changes of the file system that a save makes, once there are checkpoints before it.
  private func changes(_ training: SavedTraining, step: Int, keep: Int) throws -> [String] {
    var changes: [String] = []
    var writer = try training.writer(keep: keep)
    writer.beforeChange = { changes.append($0) }
    try writer.save(training.record(step), from: SavedTraining.Numbers(step: step))
    return changes
  }

  @Test func theLastOnesAreKept() throws {
    let training = try training()
    for step in 1...5 {
      try training.save(step, keep: 2)
      #expect(latest(training.folder) == "step-00000\(step)\n")
    }
    #expect(names(training.folder) == ["latest", "state-000004", "state-000005", "step-000004", "step-000005"])
    #expect(TrainingFolder.latestStep(in: training.folder) == 5 && training.isWhole(4) && training.isWhole(5))
  }

  /// A process that ends at any change, by whatever means, leaves one checkpoint at least that is whole, and is found;
  /// and a training that goes on from there removes what was left.
  @Test func aSaveThatEndsAnywhereLosesNothing() throws {
    let first = try training("count")
    for step in 1...2 { try first.save(step, keep: 2) }
    let changes = try changes(first, step: 3, keep: 2)
    #expect(changes.count > 12)
    for end in changes.indices {
      let training = try training("killed-\(end)")
      for step in 1...2 { try training.save(step, keep: 2) }
      do {
        var writer = try training.writer(keep: 2)
        var count = 0
        writer.beforeChange = { _ in
          if count == end { throw KilledByTest() }
          count += 1
        }
        #expect(throws: KilledByTest.self) {
          try writer.save(training.record(3), from: SavedTraining.Numbers(step: 3))
        }
      }
      let found = try #require(TrainingFolder.latestStep(in: training.folder))
      #expect(found == 2 || found == 3, "\(changes[end])")
      #expect(training.isWhole(found), "killed before: \(changes[end])")
      #expect(latest(training.folder).hasPrefix("step-00000"))
      // What `latest` says is whole by itself, for readers that look nowhere else.
      let said = Int(latest(training.folder).dropFirst(5).prefix(6))
      #expect(said.map { training.isWhole($0) } == true, "\(changes[end])")
      for step in (found + 1)...4 { try training.save(step, keep: 2) }
      #expect(
        names(training.folder) == ["latest", "state-000003", "state-000004", "step-000003", "step-000004"],
        "\(changes[end])")
      #expect(training.isWhole(3) && training.isWhole(4), "\(changes[end])")
    }
  }

  /// A full disk, or any other failure, is an error that leaves everything as it was.
  @Test func aFailureAnywhereLeavesEverythingAsItWas() throws {
    let first = try training("count")
    try first.save(1, keep: 2)
    let all = try changes(first, step: 2, keep: 2)
    // From there on the new checkpoint is the last one.
    let whole = try #require(all.firstIndex(of: "write latest"))
    for end in 0..<whole {
      let training = try training("full-\(end)")
      try training.save(1, keep: 2)
      var writer = try training.writer(keep: 2)
      var count = 0
      writer.beforeChange = { _ in
        if count == end { throw CheckpointError.system(operation: "write", path: "x", code: ENOSPC) }
        count += 1
      }
      let text = message { try writer.save(training.record(2), from: SavedTraining.Numbers(step: 2)) }
      #expect(text.contains("No space left"), "\(text)")
      let found = TrainingFolder.latestStep(in: training.folder)
      #expect(found == 1 && training.isWhole(1) && latest(training.folder) == "step-000001\n", "\(all[end])")
      #expect(!names(training.folder).contains { $0.hasSuffix(".partial") }, "\(all[end])")
      writer.beforeChange = { _ in }
      try writer.save(training.record(2), from: SavedTraining.Numbers(step: 2))
      #expect(training.isWhole(2), "\(all[end])")
    }
  }

  @Test func aSourceThatFailsLeavesEverythingAsItWas() throws {
    struct Failing: ParameterSource {
      struct Failure: Error {}
      func read(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) throws {
        if request.part == .momentum { throw Failure() }
      }
    }
    let training = try training()
    try training.save(1)
    #expect(throws: Failing.Failure.self) { try training.writer().save(training.record(2), from: Failing()) }
    #expect(names(training.folder) == ["latest", "state-000001", "step-000001"] && training.isWhole(1))
  }

  @Test func aTrainingThatGoesBackWritesItsStepsAgain() throws {
    let training = try training()
    for step in 1...3 { try training.save(step) }
    folder.write("step-000001\n", as: "run/latest")
    #expect(TrainingFolder.latestStep(in: training.folder) == 1)
    try training.save(2)
    #expect(latest(training.folder) == "step-000002\n" && training.isWhole(2))
    #expect(names(training.folder).contains("step-000003"))
    // What is there already is not written again.
    #expect(try changes(training, step: 2, keep: 3).isEmpty)
  }

  @Test func damageOfLatestLeadsToTheLastWholeOne() throws {
    let training = try training()
    for step in 1...3 { try training.save(step) }
    for text in ["", "step-000009\n", "../../etc", "state-000002", "step-3", String(repeating: "x", count: 1000)] {
      folder.write(text, as: "run/latest")
      #expect(TrainingFolder.latestStep(in: training.folder) == 3, "\(text)")
    }
    folder.write("{}", as: "run/state-000003/state.json")
    #expect(TrainingFolder.latestStep(in: training.folder) == 2)
    #expect(TrainingFolder.latestStep(in: folder.file("none")) == nil)
  }

  /// A reference that is replaced every four steps: two stops within a period find it.
  @Test func aPinnedModelOutlivesOlderOnes() throws {
    let training = try training()
    for step in [2, 4, 5, 6, 7] {
      try training.writer(keep: 1, pinEvery: 4).save(training.record(step), from: SavedTraining.Numbers(step: step))
      #expect(TrainingFolder.latestStep(in: training.folder) == step)
      #expect(names(training.folder).contains("step-000004") == (step >= 4), "\(step)")
    }
    #expect(names(training.folder) == ["latest", "state-000007", "step-000004", "step-000007"])
    try training.writer(keep: 1, pinEvery: 4).save(training.record(8), from: SavedTraining.Numbers(step: 8))
    #expect(names(training.folder) == ["latest", "state-000008", "step-000008"])
  }

  @Test func oneTrainingAtATimeWritesAFolder() throws {
    let training = try training()
    let first = try TrainingFolder(path: training.folder, keep: 1, resume: false)
    let text = message { _ = try TrainingFolder(path: training.folder, keep: 1, resume: true) }
    #expect(text.contains("another training writes"), "\(text)")
    withExtendedLifetime(first) {}
  }

  @Test func aFolderIsNotBegunTwice() throws {
    let training = try training()
    try training.save(4)
    let text = message { _ = try TrainingFolder(path: training.folder, keep: 1, resume: false) }
    #expect(text.contains("step 4") && text.contains("--resume"), "\(text)")
    #expect(message { _ = try TrainingFolder(path: training.folder, keep: 0, resume: true) }.contains("--keep"))
    #expect(message { _ = try TrainingFolder(path: "", keep: 1, resume: true) }.contains("cannot create"))
    #expect(message { _ = try TrainingFolder(path: "/dev/null/x", keep: 1, resume: true) }.contains("cannot create"))
    #expect(message { try training.save(-1) }.contains("step -1"))
  }
}
