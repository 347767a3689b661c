import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `martinet train sft`.
  struct TrainConversationsTests {
    private let folder = TemporaryFolder()

    private func data(_ name: String, _ lines: [String]) throws -> String {
      let path = folder.file(name)
      try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    private func train(
      _ data: String, to out: String, _ options: [String] = [], command: String = "sft", ranks: Int? = nil
    ) throws -> Program.Outcome {
      try Program.run(
        [
          "train", command, "--model", try Golden("deepseek_v3_bf16").folder, "--data", data, "--out", out, "--steps",
          "6",
          "--sequence-length", "32", "--batch-sequences", "4", "--packing", "cut", "--learning-rate", "5e-3",
          "--threads",
          "1", "--json",
        ] + options, ranks: ranks)
    }

    private func conversation(_ asked: String, _ said: String) -> String {
      let messages: JSONValue = [
        ["role": "user", "content": .string(asked)], ["role": "assistant", "content": .string(said)],
      ]
      return (["messages": messages] as JSONValue).text()
    }

    @Test(.timeLimit(.minutes(20)))
    func answersAreLearntAndQuestionsAreNot() throws {
      let short = try data("short.jsonl", (0..<8).map { conversation("What is \($0)?", "no") })
      let first = try train(short, to: folder.file("one"))
      #expect(first.status == 0, "\(first.errors)")
      let lines = try first.output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
      let losses = lines.compactMap { $0["loss"]?.double }
      #expect(losses.count == 6 && losses[5] < 0.8 * losses[0], "\(losses)")
      // Of each conversation the answer's tokens and the one that ends it, whatever was asked.
      let longer = try data("longer.jsonl", (0..<8).map { conversation("So what is \($0), please?", "no") })
      let other = try train(longer, to: folder.file("two"))
      let counts = try [first, other].map { run in
        let last = try #require(run.output.split(separator: "\n").last)
        return try #require(try JSONValue(parsing: Array(last.utf8))["tokens"]?.exactInt)
      }
      #expect(counts[0] == counts[1] && counts[0] > 0 && counts[0] <= 6 * 4 * 6, "\(counts)")

      let spread = try train(short, to: folder.file("spread"), ranks: 3)
      #expect(spread.status == 0, "\(spread.errors)")
      let files = try ["one", "spread"].map {
        try Data(contentsOf: URL(filePath: folder.file($0) + "/step-000006/model.safetensors"))
      }
      #expect(files[0] == files[1])
    }

    @Test func whatIsNoConversationIsSaid() throws {
      let out = folder.file("none")
      func refused(_ line: String, _ words: [String], command: String = "sft") throws {
        let run = try train(try data("bad.jsonl", [conversation("a", "b"), line]), to: out, command: command)
        #expect(run.status != 0)
        for word in words { #expect(run.errors.contains(word), "\(line): \(run.errors)") }
      }
      try refused("{\"messages\":\"hello\"}", ["bad.jsonl", "line 2", "list"])
      try refused("{\"messages\":[{\"content\":\"a\"}]}", ["line 2", "role"])
      try refused("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", ["line 2", "assistant"])
      try refused(conversation("a", "b"), ["line 1", "train sft"], command: "pretrain")
    }
  }
}
