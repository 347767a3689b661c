import Checkpoints
import Testing

@Suite struct DottedNameTests {
  private let gate = DottedName("model.layers.0.mlp.up_gate.weight")

  @Test func partsAreWhatDotsSeparate() {
    #expect(gate.parts == ["model", "layers", "0", "mlp", "up_gate", "weight"] && gate.last == "weight")
    #expect(DottedName("lm_head").parts == ["lm_head"] && DottedName("lm_head").last == "lm_head")
    #expect(DottedName("").parts == [""] && DottedName(".a.").parts == ["", "a", ""] && DottedName("a.").last == "")
  }

  @Test func aPartIsNoOtherThatHasItsLetters() {
    #expect(gate.contains("up_gate") && gate.contains("model") && gate.contains("weight"))
    #expect(!gate.contains("gate") && !gate.contains("mlp.up_gate") && !gate.contains(""))
    // A Kelvin sign, which is equal to a K as text.
    #expect(!DottedName("a.\u{212A}").contains("K") && !DottedName("a.\u{212A}").ends(in: "K"))
  }

  @Test func beginningsAndEndsAreWholeParts() {
    #expect(gate.after("model.layers") == "0.mlp.up_gate.weight" && gate.begins(with: "model"))
    #expect(gate.after("model.lay") == nil && gate.after("odel") == nil && !gate.begins(with: "mode"))
    #expect(gate.before("weight") == "model.layers.0.mlp.up_gate" && gate.ends(in: "up_gate.weight"))
    #expect(gate.before("gate.weight") == nil && !gate.ends(in: "gate.weight"))
    // Of a name that is nothing else, nothing is before or behind.
    #expect(DottedName("a.b").before("a.b") == nil && DottedName("a.b").after("a.b") == nil)
    #expect(DottedName("a.b").ends(in: "a.b") && !DottedName("a.b").begins(with: "a.b"))
    #expect(DottedName("").before("weight") == nil && DottedName("").after("model") == nil)
    // A mark that joins a dot to one letter leaves it a dot.
    #expect(DottedName("a.\u{301}b").after("a") == "\u{301}b" && DottedName("a.\u{301}b").parts.count == 2)
  }
}
