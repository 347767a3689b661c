import Checkpoints
import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// What `generate` and `score` write, against the reference implementation, over real processes.
  struct GoldenCommandTests {
    private let folder = TemporaryFolder()

    static let rankCounts = [
      ("deepseek_v3", [1, 2, 3, 5]), ("gpt_oss_mxfp4", [2, 5]), ("qwen3_moe", [3]), ("mixtral", [2]),
    ]

    @Test(.timeLimit(.minutes(20)), arguments: rankCounts)
    func greedyContinuationsEqualTheReference(name: String, rankCounts: [Int]) throws {
      let golden = try Golden(name)
      let file = golden.promptFile(in: folder)
      var texts: [[String]] = []
      for ranks in rankCounts {
        let run = try Program.run(
          [
            "generate", "--model", golden.folder, "--prompt-file", file, "--max-new-tokens", "32", "--ignore-eos",
            "--json",
          ],
          ranks: ranks)
        #expect(run.status == 0, "\(run.errors)")
        let lines = try jsonLines(run)
        #expect(lines.map { ints($0["token_ids"]) } == golden.prompts.map(\.greedy), "\(ranks) ranks")
        #expect(lines.map { ints($0["prompt_ids"]) } == golden.prompts.map(\.ids))
        #expect(lines.allSatisfy { $0["finish_reason"]?.string == "length" })
        texts.append(lines.compactMap { $0["text"]?.string })
      }
      #expect(texts.allSatisfy { $0 == texts[0] && $0.count == golden.prompts.count })
    }

    @Test func oneAnswerHasTheDocumentedFields() throws {
      let golden = try Golden("deepseek_v3")
      let prompt = golden.prompts[2]
      let run = try Program.run([
        "generate", "--model", golden.folder, "--prompt-ids", list(prompt.ids), "--max-new-tokens", "32",
        "--ignore-eos", "--json",
      ])
      #expect(run.status == 0 && run.lines.count == 1)
      let answer = try JSONValue(parsing: run.output)
      #expect(answer.object?.keys == ["prompt_ids", "token_ids", "text", "finish_reason", "timings"])
      #expect(
        answer["timings"]?.object?.keys
          == ["prefill_seconds", "decode_seconds", "prefill_tokens_per_second", "decode_tokens_per_second"])
      #expect(answer["timings"]?.object?.values.allSatisfy { ($0.double ?? 0) > 0 } == true)
      #expect(ints(answer["token_ids"]) == prompt.greedy)
      // Notices about loading and the processor, then three lines that a person quotes; before them, perhaps, one about
      // other jobs on this machine.
      let notices = Array(run.errors.split(separator: "\n").drop { !$0.hasPrefix("martinet: deepseek_v3 on ") })
      try #require(notices.count == 5, "\(notices)")
      #expect(notices[1].hasPrefix("martinet: on this processor "))
      #expect(notices[2].hasPrefix("prefill: ") && notices[2].contains(" decode: "))
      #expect(notices[3].contains("% of decode") && notices[4].hasPrefix("sent: "))
    }

    @Test(.timeLimit(.minutes(20)), arguments: ["deepseek_v3", "gpt_oss_mxfp4", "qwen3_moe", "mixtral"])
    func scoresAreTheReferencesAndBitIdentical(name: String) throws {
      let golden = try Golden(name)
      let index = golden.prompts.count - 1
      let ids = golden.prompts[index].ids + golden.prompts[index].greedy.dropLast()
      let layouts: [(ranks: Int?, options: [String])] = [
        (nil, ["--threads", "1"]), (3, ["--threads", "2", "--max-batch-tokens", "7"]),
        (name == "deepseek_v3" ? 5 : nil, ["--threads", "2", "--max-batch-tokens", "16"]),
      ]
      var files: [[Data]] = []
      var answers: [JSONValue] = []
      for layout in layouts {
        let paths = ["logits", "routing"].map { folder.file($0) }
        let run = try Program.run(
          [
            "score", "--model", golden.folder, "--token-ids", list(ids), "--logits", paths[0], "--routing", paths[1],
            "--json",
            "--top-logprobs", "3",
          ] + layout.options, ranks: layout.ranks)
        #expect(run.status == 0, "\(run.errors)")
        files.append(try paths.map { try Data(contentsOf: URL(filePath: $0)) })
        answers += try jsonLines(run)
        if files.count == 1 { try compare(logits: paths[0], routing: paths[1], with: golden, prompt: index) }
      }
      #expect(files.allSatisfy { $0 == files[0] }, "files differ between layouts")
      #expect(answers.count == layouts.count && answers.allSatisfy { $0 == answers[0] })
      try compare(answers[0], ids: ids, logits: try golden.floats("p\(index).logits"))
    }

    private func compare(logits: String, routing: String, with golden: Golden, prompt: Int) throws {
      let file = try SafetensorsFile(path: logits)
      let entry = try #require(file.tensor("logits"))
      #expect(entry.shape == golden.file.tensor("p\(prompt).logits")!.shape)
      let worst = try zip(file.float32s(entry), golden.floats("p\(prompt).logits")).map { abs($0 - $1) }.max()!
      #expect(worst <= 1e-3, "logits differ by \(worst)")
      let routes = try SafetensorsFile(path: routing)
      let expected = golden.file.entries.filter { $0.name.hasPrefix("p\(prompt).router.") }
      #expect(routes.entries.count == expected.count && expected.count > 0)
      for entry in expected {
        let name = entry.name.replacingOccurrences(of: "p\(prompt).router.", with: "layer.")
        let found = try #require(routes.tensor(name))
        #expect(found.shape == entry.shape)
        if name.hasSuffix("indices") {
          #expect(try routes.int32s(found) == golden.file.int32s(entry), "\(name)")
        } else {
          let worst = try zip(routes.float32s(found), golden.file.float32s(entry)).map { abs($0 - $1) }.max()!
          #expect(worst <= 1e-4, "\(name) differs by \(worst)")
        }
      }
    }

    /// Holds log-probabilities against a softmax of the reference's logits, in double precision.
    private func compare(_ answer: JSONValue, ids: [Int], logits: [Float]) throws {
      let tokens = try #require(answer["tokens"]?.array)
      #expect(tokens.map { $0["id"]?.exactInt } == ids)
      #expect(tokens[0]["logprob"]?.isNull == true && tokens[0]["top"]?.array?.isEmpty == true)
      let width = logits.count / ids.count
      var nats = 0.0
      for (position, token) in tokens.enumerated().dropFirst() {
        let row = logits[((position - 1) * width)..<(position * width)].map { Double($0) }
        let total = log(row.reduce(0) { $0 + exp($1) })
        nats -= row[ids[position]] - total
        #expect(abs(try #require(token["logprob"]?.double) - (row[ids[position]] - total)) < 2e-3)
        let top = try #require(token["top"]?.array)
        #expect(top.count == 3 && abs(top[0]["logprob"]!.double! - (row.max()! - total)) < 2e-3)
      }
      #expect(abs(answer["negative_log_likelihood"]!.double! - nats) < 1e-4 * nats)
      #expect(abs(log(answer["perplexity"]!.double!) - nats / Double(ids.count - 1)) < 1e-4)
    }

    @Test func moreRanksThanExpertsWorkWithANote() throws {
      let golden = try Golden("mixtral")
      let prompt = golden.prompts[1]
      let run = try Program.run(
        [
          "generate", "--model", golden.folder, "--prompt-ids", list(prompt.ids), "--max-new-tokens", "8",
          "--ignore-eos", "--json",
        ],
        ranks: 9)
      #expect(run.status == 0 && run.errors.contains("9 ranks share 8 experts"), "\(run.errors)")
      #expect(ints(try JSONValue(parsing: run.output)["token_ids"]) == Array(prompt.greedy.prefix(8)))
    }

    /// The demonstration model's short held-out documents; its goldens hold all of them.
    @Test func heldOutTextIsAsProbableAsWhenTheModelWasMade() throws {
      let demo = Golden.fixtures.appending(path: "demo-model")
      let recorded = try JSONValue(parsing: Data(contentsOf: demo.appending(path: "goldens.json")))[
        "heldout_documents"]!.array!
      let texts = try String(contentsOf: demo.appending(path: "heldout.jsonl"), encoding: .utf8).split(separator: "\n")
      #if DEBUG
        let longest = 40
      #else
        let longest = 512
      #endif
      let chosen = zip(texts, recorded).filter { $1["tokens"]!.exactInt! <= longest }
      let file = folder.write(chosen.map { "\($0.0)\n" }.joined(), as: "documents.jsonl")
      let run = try Program.run(["score", "--jsonl", file, "--json"])
      let scores = try jsonLines(run)
      #expect(run.status == 0 && scores.count == chosen.count && chosen.count >= 8, "\(run.errors)")
      for (score, document) in zip(scores, chosen.map(\.1)) {
        let (nats, bytes) = (document["nats"]!.double!, document["bytes"]!.double!)
        #expect(abs(score["negative_log_likelihood"]!.double! / nats - 1) < 1e-3, "\(document["name"]!)")
        #expect(abs(score["bits_per_byte"]!.double! / (nats / log(2) / bytes) - 1) < 1e-3, "\(document["name"]!)")
        #expect(score["token_count"]?.exactInt == document["tokens"]?.exactInt)
      }
    }
  }
}
