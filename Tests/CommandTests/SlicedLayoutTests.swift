import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `--layout`: the same answers, whoever computes what.
  struct SlicedLayoutTests {
    let folder = TemporaryFolder()

    @Test(.timeLimit(.minutes(20)), arguments: ["deepseek_v3", "qwen3", "deepseek_v32"])
    func slicedRanksContinuePromptsAsTheReferenceDoes(model: String) throws {
      let golden = try Golden(model)
      let file = golden.promptFile(in: folder)
      let count = golden.prompts.map(\.greedy.count).min() ?? 0
      for (ranks, layout) in [(2, "sliced"), (3, "sliced"), (2, "auto")] {
        let run = try Program.run(
          [
            "generate", "--model", golden.folder, "--prompt-file", file, "--json", "--ignore-eos", "--max-new-tokens",
            "\(count)", "--layout", layout, "--max-batch-tokens", "9",
          ], ranks: ranks)
        #expect(run.status == 0, "\(run.errors)")
        #expect(
          try jsonLines(run).map { ints($0["token_ids"]) } == golden.prompts.map { Array($0.greedy.prefix(count)) },
          "\(layout) on \(ranks)")
        #expect(
          run.errors.contains(layout == "auto" ? "--layout auto: " : "threads, sliced")
            || run.errors.contains("thread, sliced"), "\(run.errors)")
      }
    }

    @Test(.timeLimit(.minutes(20))) func whatCannotBeSlicedIsSaidOnce() throws {
      let golden = try Golden("deepseek_v3")
      let run = try Program.run(
        [
          "generate", "--model", golden.folder, "--prompt-ids", "1,2", "--layout", "sliced", "--combine-format", "bf16",
        ], ranks: 2)
      #expect(run.status != 0 && run.errors.components(separatedBy: "--layout sliced does not go").count == 2)
      let wrong = try Program.run(["generate", "--model", golden.folder, "--prompt-ids", "1", "--layout", "diced"])
      #expect(wrong.status != 0 && wrong.errors.contains("--layout"))
    }
  }
}
