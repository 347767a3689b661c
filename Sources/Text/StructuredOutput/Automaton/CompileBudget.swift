/// What compiling one grammar may cost, counted in steps, so that a hostile schema is an error and not a wait.
///
/// Steps and not time, so that all hosts decide alike. A step is about 25 ns in an optimised build on an idle machine
/// (measured); what takes longer counts as several.
final class CompileBudget {
  static let stepLimit = 12_000_000
  /// Cells of all transition tables together, four bytes each.
  static let cellLimit = 12_000_000

  private var steps = 0
  private var cells = 0
  /// What is being compiled, for errors.
  var pointer = "#"

  func spend(_ count: Int) throws(StructuredOutputError) {
    steps += count
    guard steps <= Self.stepLimit else {
      throw .tooLarge(what: "the work of compiling what stands", pointer: pointer, limit: Self.stepLimit)
    }
  }

  func addCells(_ count: Int) throws(StructuredOutputError) {
    cells += count
    guard cells <= Self.cellLimit else {
      throw .tooLarge(what: "the automaton of what stands", pointer: pointer, limit: Self.cellLimit)
    }
  }
}
