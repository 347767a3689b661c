import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// How prompts come in and texts go out.
  struct GenerationTests {
    let golden: Golden
    let folder = TemporaryFolder()

    init() throws { golden = try Golden("deepseek_v3") }

    private func generate(_ arguments: [String], model: String? = nil, ranks: Int? = nil) throws -> [JSONValue] {
      let run = try Program.run(["generate", "--model", model ?? golden.folder, "--json"] + arguments, ranks: ranks)
      #expect(run.status == 0, "\(run.errors)")
      return try jsonLines(run)
    }

    @Test(.timeLimit(.minutes(20)))
    func aSeededTextIsTheSameAloneInABatchAndOverRanks() throws {
      let sampling = [
        "--temperature", "0.9", "--top-p", "0.95", "--top-k", "200", "--min-p", "0.01", "--repetition-penalty", "1.1",
        "--presence-penalty", "0.2", "--frequency-penalty", "-0.1", "--seed", "7", "--max-new-tokens", "24",
        "--ignore-eos",
      ]
      let alone = try golden.prompts.map { prompt in
        ints(try generate(["--prompt-ids", list(prompt.ids)] + sampling)[0]["token_ids"])
      }
      #expect(alone.allSatisfy { $0.count == 24 } && alone != golden.prompts.map { Array($0.greedy.prefix(24)) })
      let file = golden.promptFile(in: folder)
      for (ranks, options) in [
        (nil, ["--max-sequences", "2"]), (2, ["--max-batch-tokens", "9"]), (3, ["--threads", "2"]),
      ] {
        let answers = try generate(["--prompt-file", file] + sampling + options, ranks: ranks)
        #expect(answers.map { ints($0["token_ids"]) } == alone, "\(ranks ?? 1) ranks, \(options)")
      }
    }

    @Test(.timeLimit(.minutes(20)))
    func draftsChangeNoTextAndAreCounted() throws {
      let model = try Golden("deepseek_v3_fp8")
      let file = model.promptFile(in: folder)
      let arguments = [
        "--prompt-file", file, "--max-new-tokens", "40", "--ignore-eos", "--temperature", "0.5", "--seed", "7",
        "--stop", "zz",
      ]
      let plain = try generate(arguments, model: model.folder)
      #expect(plain.allSatisfy { $0["speculation"] == nil })
      for (ranks, mode) in [(nil, "lookup"), (2, "mtp"), (3, "auto")] as [(Int?, String)] {
        let found = try generate(
          arguments + ["--speculate", mode, "--draft-tokens", "2"], model: model.folder, ranks: ranks)
        #expect(found.map { ints($0["token_ids"]) } == plain.map { ints($0["token_ids"]) }, "\(mode)")
        let last = try #require(found.last?["speculation"])
        #expect(ints(last["drafted"]).count == ints(last["accepted"]).count, "\(mode)")
      }
      let run = try Program.run([
        "generate", "--model", model.folder, "--prompt-ids", "1,2,3", "--max-new-tokens", "30", "--ignore-eos",
        "--speculate", "mtp",
      ])
      #expect(
        run.status == 0 && run.errors.contains("speculation: ") && run.errors.contains("decode steps went without"))
      let none = try Program.run(
        ["generate", "--model", golden.folder, "--prompt-ids", "1", "--speculate", "mtp"], ranks: 2)
      #expect(
        none.status == 1 && none.errors.contains("this deepseek_v3 checkpoint has no multi-token prediction layer"),
        "\(none.errors)")
      for count in ["0", "16"] {
        let refused = try Program.run(["generate", "--prompt", "x", "--speculate", "lookup", "--draft-tokens", count])
        #expect(refused.status != 0 && refused.errors.contains("--draft-tokens \(count) is not between 1 and 15"))
      }
    }

    @Test func aStopStringEndsTheTextBeforeIt() throws {
      let arguments = ["--prompt-ids", list(golden.prompts[1].ids), "--max-new-tokens", "32", "--ignore-eos"]
      let full = try #require(try generate(arguments)[0]["text"]?.string)
      #expect(full.contains("clot"))
      // Begins inside one token and ends inside another; the one that is met first counts.
      for stop in ["clot", "o"] {
        let answer = try generate(arguments + ["--stop", "never met", "--stop", stop])[0]
        #expect(answer["text"]?.string == String(full[..<full.range(of: stop)!.lowerBound]))
        #expect(answer["finish_reason"]?.string == "stop" && ints(answer["token_ids"]).count < 32)
      }
    }

    @Test func theEndOfSequenceTokensAreTheGenerationConfigs() throws {
      let prompt = golden.prompts[0]
      let arguments = ["--prompt-ids", list(prompt.ids), "--max-new-tokens", "32"]
      let model = try DamagedCheckpoint("deepseek_v3", in: folder)
      for (value, end) in [(JSONValue.int(prompt.greedy[5]), 5), (.array([.int(511), .int(prompt.greedy[9])]), 9)] {
        try model.set(["eos_token_id": value], in: "generation_config.json")
        let answer = try generate(arguments, model: model.path)[0]
        #expect(ints(answer["token_ids"]) == Array(prompt.greedy[...end]))
        #expect(answer["finish_reason"]?.string == "stop")
        let ignoring = try generate(arguments + ["--ignore-eos"], model: model.path)[0]
        #expect(ints(ignoring["token_ids"]) == prompt.greedy && ignoring["finish_reason"]?.string == "length")
      }
      // Without that file, config.json's.
      try model.remove("generation_config.json")
      try model.set(["eos_token_id": .int(prompt.greedy[2])])
      #expect(ints(try generate(arguments, model: model.path)[0]["token_ids"]).count == 3)
    }

    @Test func aTextStopsWhereTheContextIsFull() throws {
      let model = try DamagedCheckpoint("deepseek_v3", in: folder)
      try model.set(["max_position_embeddings": .int(16), "rope_scaling": JSONValue.null, "rope_parameters": nil])
      let answer = try generate(
        ["--prompt-ids", "0,5,6", "--max-new-tokens", "100", "--ignore-eos"], model: model.path)[0]
      #expect(ints(answer["token_ids"]).count == 13 && answer["finish_reason"]?.string == "length")
      let full = Array(repeating: 5, count: 16)
      let refused = try Program.run(["generate", "--model", model.path, "--prompt-ids", list(full)])
      #expect(refused.status == 1 && refused.errors.contains("context of 16"), "\(refused.errors)")
    }

    @Test func chatLaysAMessageOutAsTheTemplateSays() throws {
      let chat = golden.document["chat"]!.array![0]
      let text = try #require(chat["messages"]?.array?[0]["content"]?.string)
      let messages = JSONValue.object(JSONObject([("messages", chat["messages"]!)])).text()
      let file = folder.write(messages + "\n", as: "chat.jsonl")
      for arguments in [["--prompt", text, "--chat"], ["--prompt-file", file]] {
        let answer = try generate(arguments + ["--max-new-tokens", "1"])[0]
        #expect(ints(answer["prompt_ids"]) == ints(chat["ids"]), "\(arguments)")
      }
    }

    @Test func aPromptFileTakesEveryKindOfLine() throws {
      let lines =
        """
        \u{FEFF}plain text\r\n\"a JSON string\"\r\n\r\n{\"prompt\":\"an object\"}\n  \t\n{\"prompt_ids\":[1,2]}\n- \
        a dash
        """
      let file = folder.write(lines, as: "prompts")
      let answers = try generate(["--prompt-file", file, "--max-new-tokens", "1"])
      let texts = ["plain text", "a JSON string", "an object"]
      let jsonl = folder.write(
        (texts + ["- a dash"]).map { "{\"text\":\"\($0)\"}\n" }.joined(), as: "texts.jsonl")
      let tokenized = try Program.run(["tokenize", "--model", golden.folder, "--jsonl", jsonl, "--json"])
      var expected = try jsonLines(tokenized).map { ints($0["ids_with_special"]) }
      expected.insert([1, 2], at: 3)
      #expect(answers.map { ints($0["prompt_ids"]) } == expected)
      // A prompt may begin with a dash on the command line, too.
      #expect(ints(try generate(["--prompt", "- a dash", "--max-new-tokens", "1"])[0]["prompt_ids"]) == expected[4])
    }

    @Test func streamedTextComesInWholeCharacters() throws {
      let prompt = golden.prompts[1]
      let arguments = ["--prompt-ids", list(prompt.ids), "--max-new-tokens", "60", "--ignore-eos"]
      var pieces: [Data] = []
      // A reader that was kept waiting finds several writes in one piece: then again.
      let areMany = try eventually {
        let pipe = Pipe()
        let running = try RunningProgram(
          ["timeout", "900", Program.path, "generate", "--model", golden.folder] + arguments, output: pipe)
        try pipe.fileHandleForWriting.close()
        pieces = []
        while case let piece = pipe.fileHandleForReading.availableData, !piece.isEmpty { pieces.append(piece) }
        running.process.waitUntilExit()
        return pieces.count > 10
      }
      // A write shorter than a pipe's buffer arrives whole, so a torn character would show at an edge.
      #expect(areMany && pieces.allSatisfy { String(validating: $0, as: UTF8.self) != nil })
      let text = String(decoding: Data(pieces.joined()), as: UTF8.self)
      #expect(text == (try generate(arguments)[0]["text"]?.string ?? "") + "\n")
      #expect(text.contains("。") && text.contains("ل"))
    }

    @Test func severalPromptsArePrintedInTheirOrder() throws {
      let file = folder.write("first\nsecond\nthird\n", as: "prompts")
      let run = try Program.run(["generate", "--model", golden.folder, "--prompt-file", file, "--max-new-tokens", "2"])
      let heads = run.lines.filter { $0.hasPrefix("===") }
      #expect(heads == (1...3).map { "=== prompt \($0) of 3" })
    }
  }
}
