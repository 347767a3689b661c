import EngineAPI
import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Prompts, files and flags that cannot be used: one clear message, exit code 1.
  struct BadInputTests {
    let model: String
    let folder = TemporaryFolder()

    init() throws { model = try Golden("deepseek_v3").folder }

    @discardableResult
    private func expectRefusal(_ arguments: [String], _ words: String..., ranks: Int? = nil) throws -> Program.Outcome {
      let run = try Program.run(arguments, ranks: ranks)
      #expect(run.status == 1 && run.output.isEmpty, "\(arguments): \(run.status) \(run.errors)")
      #expect(words.allSatisfy { run.errors.contains($0) }, "\(arguments): \(words) in: \(run.errors)")
      #expect(!run.errors.contains("Fatal error"), "\(run.errors)")
      return run
    }

    @Test func idsThatAreNoneAreNamed() throws {
      let generate = ["generate", "--model", model, "--prompt-ids"]
      for (ids, word) in [
        ("0,512", "512 at position 1"), ("-1", "-1 at position 0"), ("1,2,99999999999", "99999999999 at position 2"),
        ("99999999999999999999", "list of token ids"), ("1,,2", "list of token ids"), ("1.5", "list of token ids"),
        ("", "no tokens"),
      ] { try expectRefusal(generate + [ids], word) }
      try expectRefusal(["score", "--model", model, "--token-ids", "1,99999999999"], "99999999999", "0 to 511")
      try expectRefusal(["tokenize", "--model", model, "--decode", "--ids", "-1"], "-1")
    }

    @Test func promptFilesThatCannotBeReadAreNamedWithTheirLine() throws {
      let cases: [(content: [UInt8], word: String)] = [
        ([], "no prompts"), (Array("\n \n".utf8), "no prompts"), (Array("fine\n{\"prompt\":\n".utf8), "line 2"),
        (Array("{\"p\":1}\n".utf8), "prompt_ids"), (Array("{\"prompt_ids\":[1.5]}\n".utf8), "line 1"),
        (Array("{\"prompt_ids\":[]}\n".utf8), "no tokens"),
        (Array("{\"prompt_ids\":[1]}\n{\"prompt_ids\":[700]}".utf8), "prompt 2"),
        (Array("{\"messages\":[5]}\n".utf8), "message"), (Array("hello ".utf8) + [0xFF, 10], "byte 6"),
      ]
      for (content, word) in cases {
        let file = folder.write(content, as: "prompts")
        try expectRefusal(["generate", "--model", model, "--prompt-file", file], word)
      }
      try expectRefusal(
        ["generate", "--model", model, "--prompt-file", folder.file("absent")], folder.file("absent"), "No such file")
      try expectRefusal(["generate", "--model", model, "--prompt-file", folder.path], folder.path, "directory")
    }

    @Test func flagsOutOfRangeAreNamed() throws {
      for (flag, value) in [
        ("--max-new-tokens", "0"), ("--max-new-tokens", "-1"), ("--max-new-tokens", "99999999999999999999"),
        ("--threads", "0"),
        ("--threads", "1000"), ("--temperature", "-1"), ("--temperature", "nan"), ("--top-p", "1.5"), ("--top-k", "-1"),
        ("--min-p", "2"), ("--repetition-penalty", "0"), ("--seed", "-1"), ("--kv-cache-tokens", "0"),
        ("--kv-cache", "q4"), ("--kv-cache", "int8"), ("--kv-cache", ""),
        ("--max-batch-tokens", "0"), ("--max-sequences", "0"), ("--isa", "bogus"), ("--stop", ""), ("--bogus", ""),
      ] { try expectRefusal(["generate", "--model", model, "--prompt-ids", "1", flag, value], flag) }
      try expectRefusal(["generate", "--model", model], "--prompt-file")
      try expectRefusal(["generate", "--prompt", "a", "--prompt-ids", "1"], "--prompt-file")
      try expectRefusal(["inspect", model, "--ranks", "0"], "--ranks")
      try expectRefusal(["bench", "generate", "--prompt-length", "600"], "context of 512")
      for (command, words) in [
        (["bench", "kernels", "--batch", "1,0"], "--batch 1,0: each must be between 1 and 4096"),
        (["bench", "gradients", "--threads", "0"], "--threads 0 is not between 1 and 4096"),
        (["serve", "--rebalance-minutes", "0"], "--rebalance-minutes 0.0 is not between 0.01 and 100000"),
      ] { try expectRefusal(command, words) }
    }

    /// They would end the process.
    @Test func kernelsForAnotherProcessorAreRefused() throws {
      #if arch(x86_64)
        let foreign = ["neon", "i8mm"]
      #else
        let foreign = ["avx2", "avx512", "amx"]
      #endif
      for set in foreign {
        for command in [
          ["generate", "--model", model, "--prompt-ids", "1"], ["bench", "kernels"], ["bench", "attention"],
          ["bench", "gradients"],
        ] { try expectRefusal(command + ["--isa", set], "--isa \(set): this host cannot run it; it has reference") }
      }
    }

    /// A new parameter needs no line here.
    @Test func everySamplingParameterHasItsFlags() throws {
      for parameter in SamplingParameter.all {
        let beyond = parameter.text(parameter.range.upperBound + 1)
        for (command, flag) in [
          (["generate", "--model", model, "--prompt-ids", "1"], "--\(parameter.flag)"),
          (["serve", "--model", model], "--default-\(parameter.flag)"),
        ] {
          try expectRefusal(command + [flag, beyond], "\(flag) \(beyond) is not between ")
        }
      }
    }

    @Test(.timeLimit(.minutes(20))) func severalRanksRefuseOnce() throws {
      let run = try expectRefusal(["generate", "--model", model, "--prompt-ids", "0,512"], "0 to 511", ranks: 2)
      #expect(run.errors.components(separatedBy: "0 to 511").count == 2)
      let usage = try expectRefusal(
        ["generate", "--model", model, "--prompt-ids", "1", "--top-p", "7"], "--top-p", ranks: 2)
      #expect(usage.errors.components(separatedBy: "--top-p 7.0").count == 2)
      // Refused after the model was loaded: the other rank must not be left in a collective.
      try expectRefusal(
        ["bench", "generate", "--model", model, "--kv-cache-tokens", "32", "--repetitions", "1"], "--kv-cache-tokens",
        ranks: 2)
    }

    @Test func aFileThatCannotBeWrittenIsFoundBeforeTheWork() throws {
      let score = ["score", "--model", model, "--token-ids", "1,2,3"]
      try expectRefusal(
        score + ["--logits", folder.file("absent/logits")], folder.file("absent/logits"), "No such file")
      try expectRefusal(score + ["--routing", folder.path], folder.path)
      try expectRefusal(score + ["--logits", folder.file("x"), "--routing", folder.file("x")], "--logits")
      try expectRefusal(
        ["score", "--model", try Golden("qwen3").folder, "--token-ids", "1", "--routing", folder.file("x")], "qwen3")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test func tokenizersThatCannotBeUsedAreNamedAndIDsStillWork() throws {
      let damaged = try DamagedCheckpoint("deepseek_v3", in: folder)
      let text = ["generate", "--model", damaged.path, "--prompt", "Hello", "--max-new-tokens", "2"]
      try damaged.edit("tokenizer.json") { data in
        let old = String(decoding: data, as: UTF8.self)
        data = Data(old.replacing(/"merges": ?\[/, with: "\"merges\":[[\"qqqq\",\"zzzz\"],").utf8)
      }
      try expectRefusal(text, "tokenizer", "qqqq")
      try damaged.remove("tokenizer.json")
      try expectRefusal(text, "tokenizer.json", "token ids")
      let ids = try Program.run(["generate", "--model", damaged.path, "--prompt-ids", "0,5", "--max-new-tokens", "2"])
      #expect(ids.status == 0 && ids.output.contains(/^[0-9]+,[0-9]+\n$/), "\(ids.output)")
    }

    @Test func templatesThatDoNotEndAreStopped() throws {
      let damaged = try DamagedCheckpoint("deepseek_v3", in: folder)
      for (template, word) in [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "limit"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "limit"), ("{{ 'x' * 1000000000000 }}", "limit"),
        ("{% for x in", "template"), ("{{ raise_exception('not so') }}", "not so"), ("", "no tokens"),
      ] {
        try damaged.set(["chat_template": .string(template)], in: "tokenizer_config.json")
        try expectRefusal(["generate", "--model", damaged.path, "--prompt", "Hello", "--chat"], word)
      }
      try damaged.set(["chat_template": nil], in: "tokenizer_config.json")
      try expectRefusal(
        ["generate", "--model", damaged.path, "--prompt", "Hello", "--chat"], "no chat template", "--chat")
    }

    /// Bytes flipped anywhere in the files a model comes with: refused or used, but never a trap and never a hang.
    @Test(.timeLimit(.minutes(20))) func flippedBytesNeverCrash() throws {
      var state: UInt64 = 0x5EED
      func random(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
      }
      let goldens = ["deepseek_v3_fp8", "gpt_oss_mxfp4", "mixtral", "llama"]
      for round in 0..<32 {
        try withTemporaryFolder { folder in
          let damaged = try DamagedCheckpoint(goldens[round % goldens.count], in: folder)
          let isTokenizer = round % 8 >= 6
          let name = isTokenizer ? "tokenizer.json" : round % 8 < 4 ? "config.json" : try damaged.firstShard
          try damaged.edit(name) { data in
            let count = name.hasSuffix(".safetensors") ? min(data.count, 3000) : data.count
            for _ in 0...random(3) { data[random(count)] = UInt8(random(256)) }
          }
          let run = try Program.run(
            isTokenizer
              ? ["tokenize", "--model", damaged.path, "--text", "Hello, 日本語"]
              : ["inspect", damaged.path, "--ranks", "3"])
          #expect(run.status == 0 || run.status == 1, "round \(round), \(name): \(run.status) \(run.errors)")
          #expect((run.status == 1) == !run.errors.isEmpty)
        }
      }
    }
  }
}
