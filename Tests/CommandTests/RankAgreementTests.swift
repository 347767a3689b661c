import Checkpoints
import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Ranks started with other weights, options or commands: one message and an end, no hang and no other text.
  struct RankAgreementTests {
    private let folder = TemporaryFolder()

    private static let generation = ["--prompt-ids", "0,5,6", "--max-new-tokens", "4", "--ignore-eos"]

    /// Rank 0 with the first arguments, rank 1 with the others.
    private func run(_ first: [String], _ second: [String]) throws -> Program.Outcome {
      try Program.execute(Program.mpirun(ranks: 1) + [Program.path] + first + [":", "-n", "1", Program.path] + second)
    }

    private func expectRefusal(_ first: [String], _ second: [String], _ words: [String]) throws {
      let outcome = try run(first, second)
      #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome.status): \(outcome.errors)")
      let complaints = outcome.errors.split(separator: "\n").filter { line in words.allSatisfy { line.contains($0) } }
      #expect(complaints.count == 1 && complaints[0].hasPrefix("martinet: rank 1 ("), "\(words) in: \(outcome.errors)")
    }

    private func make(_ name: String, seed: Int) throws -> String {
      let path = folder.file(name)
      let run = try Program.run([
        "bench", "make-checkpoint", "--shape", Golden("mixtral").folder + "/config.json", path, "--seed", "\(seed)",
      ])
      #expect(run.status == 0, "\(run.errors)")
      return path
    }

    @Test(.timeLimit(.minutes(20))) func anotherCheckpointOfTheSameShapeIsRefused() throws {
      let (one, other) = (try make("one", seed: 0), try make("other", seed: 1))
      let arguments = ["generate"] + Self.generation + ["--model"]
      try expectRefusal(arguments + [one], arguments + [other], ["tensor", "safetensors", "other bytes"])
      let outcome = try run(arguments + [one], arguments + [one])
      #expect(outcome.status == 0, "\(outcome.errors)")
    }

    /// In an expert of one rank, found by its record; without one, by a full pass.
    @Test(.timeLimit(.minutes(20))) func aDamagedByteIsFound() throws {
      let path = try make("damaged", seed: 0)
      let checkpoint = try HuggingFaceFolder(path: path)
      let entry = try #require(checkpoint.tensor("model.layers.1.block_sparse_moe.experts.2.w3.weight"))
      let handle = try FileHandle(forUpdating: URL(filePath: checkpoint.files[entry.fileIndex].path))
      try handle.seek(toOffset: UInt64(entry.byteOffset + entry.byteCount / 2))
      let byte = try #require(try handle.read(upToCount: 1)?.first)
      try handle.seek(toOffset: UInt64(entry.byteOffset + entry.byteCount / 2))
      try handle.write(contentsOf: [byte ^ 64])
      try handle.close()
      let arguments = ["generate", "--model", path] + Self.generation
      let recorded = try Program.run(arguments, ranks: 2)
      #expect(
        recorded.status == 1 && recorded.errors.contains(entry.name) && recorded.errors.contains("recorded"),
        "\(recorded.errors)")
      let checked = try Program.run(["checksum", path])
      #expect(checked.status == 1 && checked.errors.contains(entry.name), "\(checked.errors)")
      try FileManager.default.removeItem(atPath: path + "/" + RecordedSums.fileName)
      let good = try make("good", seed: 0)
      try expectRefusal(
        ["generate", "--model", good, "--check-weights"] + Self.generation, arguments + ["--check-weights"],
        [entry.name, "other bytes"])
      let unrecorded = try Program.run(["checksum", path])
      #expect(unrecorded.status == 1 && unrecorded.errors.contains("--record"), "\(unrecorded.errors)")
      let record = try Program.run(["checksum", path, "--record"])
      #expect(record.status == 0, "\(record.errors)")
      let again = try Program.run(arguments + ["--check-weights"], ranks: 2)
      #expect(again.status == 0 && again.errors.contains("have the sums recorded"), "\(again.errors)")
    }

    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        ("--weights", "q8", "q4"), ("--combine-format", "f32", "bf16"), ("--kv-cache", "f32", "bf16"),
        ("--kv-cache", "q8", "bf16"),
        ("--max-batch-tokens", "64", "512"),
      ])
    func anotherOptionIsRefused(name: String, first: String, second: String) throws {
      let arguments = ["generate", "--model", try Golden("mixtral").folder] + Self.generation
      try expectRefusal(arguments + [name, first], arguments + [name, second], [name, first, second])
    }

    @Test(.timeLimit(.minutes(20))) func anotherCommandIsRefused() throws {
      let model = try Golden("mixtral").folder
      try expectRefusal(
        ["generate", "--model", model] + Self.generation, ["score", "--model", model, "--token-ids", "1,2"],
        ["score", "generate"])
      let arguments = ["generate", "--model", model] + Self.generation
      try expectRefusal(
        arguments, arguments + ["--record-routing", folder.file("routing.safetensors")],
        ["--record-routing", "on", "off"])
    }
  }
}
