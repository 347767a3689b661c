import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// The options of a training from a file, and as they are written beside its checkpoints.
  struct RecipeTests {
    @Test(.timeLimit(.minutes(20))) func whatRanCanBeRunAgainWordForWord() throws {
      let corpus = try TinyCorpus()
      let (one, two) = (corpus.folder.file("one"), corpus.folder.file("two"))
      let recipe: JSONValue = [
        "model": .string(corpus.model), "data": .string(corpus.data), "steps": 3, "sequence-length": 16,
        "batch-sequences": 5, "optimizer": "muon", "learning-rate": .double(0.02), "threads": 1, "json": true,
        "seed": .string("18446744073709551615"), "held-out": .null,
      ]
      let file = corpus.folder.write(recipe.text(), as: "recipe.json")
      let first = try Program.run(["train", "pretrain", "--recipe", file, "--out", one, "--steps", "4"])
      #expect(first.status == 0 && first.lines.count == 4, "\(first.errors)")
      let written = try JSONValue(parsing: try Data(contentsOf: URL(filePath: one + "/recipe.json")))
      #expect(written["steps"]?.exactInt == 4 && written["optimizer"]?.string == "muon")
      #expect(written["seed"]?.number?.text == "18446744073709551615" && written["clip"]?.double == 1)
      #expect(written["held-out"] == nil && written["resume"] == nil && written["json"]?.bool == true)
      let again = try Program.run(
        ["train", "pretrain", "--recipe", one + "/recipe.json", "--out", two], ranks: 2)
      #expect(again.status == 0, "\(again.errors)")
      #expect(try TinyCorpus.lines(again.output) == TinyCorpus.lines(first.output))
      #expect(try TinyCorpus.digest(one, step: 4) == TinyCorpus.digest(two, step: 4))
    }

    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        (#"{"stepps": 1}"#, #"there is no option "stepps"; did you mean "steps"?"#),
        (#"{"recipe": "x"}"#, "there is no option"), (#"{"steps": [1]}"#, #""steps" is an array"#),
        (#"{"resume": "yes"}"#, "true or false"), ("[]", "JSON object"), (#"{"steps": 1"#, "recipe.json"),
        (#"{"steps": "x"}"#, "--steps comes from: file"), (#"{"supervised-job": true}"#, "there is no option"),
      ])
    func whatIsWrongInARecipeIsNamed(text: String, words: String) throws {
      let corpus = try TinyCorpus()
      let file = corpus.folder.write(text, as: "recipe.json")
      let run = try Program.run([
        "train", "pretrain", "--recipe", file, "--out", corpus.folder.file("out"), "--model", corpus.model, "--data",
        corpus.data,
      ])
      #expect(run.status == 1 && run.errors.contains(words), "\(text): \(run.errors)")
      let absent = try Program.run(["train", "pretrain", "--recipe", corpus.folder.file("none.json")])
      #expect(absent.status == 1 && absent.errors.contains("none.json"), "\(absent.errors)")
    }
  }
}
