import ArgumentParser
import Checkpoints
import Inference
import JSON
import ModelRuntime
import Projection
import Reports
import Telemetry

/// What `plan` and `project` are told of how a run would be laid out and drafted.
struct ForecastOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      How ranks would share what is no routed expert: spread, sliced, or auto, which is told of both, with the one \
      that a run's --layout auto would choose.
      """,
      valueName: "spread|sliced|auto"))
  var layout = RankLayout.spread

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Without recorded routing: how unevenly experts are chosen, as Zipf's exponent; 0 for all alike, 1 where the \
      second is chosen half as often as the first.
      """,
      valueName: "exponent"))
  var zipf = 0.0

  @OptionGroup var speculation: SpeculationFlags

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Share of drafts that are right: one number, or one for each place after the last token, separated by commas; \
      or a report of a run that drafted.
      """,
      valueName: "0…1,…|file.json"))
  var acceptance: String?

  static let zipfLimit = 0.0...4.0

  func validate() throws {
    try require("zipf", zipf, in: Self.zipfLimit)
    guard acceptance == nil || speculation.speculate != .off else {
      throw ValidationError("--acceptance goes with --speculate")
    }
    if let acceptance, !isFile(acceptance) { _ = try shares(acceptance) }
  }

  /// Which layouts to look at: whether ranks share out every matrix.
  var layouts: [Bool] {
    switch layout {
    case .spread: [false]
    case .sliced: [true]
    case .auto: [false, true]
    }
  }

  private func isFile(_ text: String) -> Bool { text.contains("/") || text.hasSuffix(".json") }

  private func shares(_ text: String) throws -> [Double] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    let numbers = parts.compactMap(\.self)
    guard numbers.count == parts.count, !numbers.isEmpty, numbers.count <= 64,
      numbers.allSatisfy({ (0...1).contains($0) }), zip(numbers, numbers.dropFirst()).allSatisfy({ $0 >= $1 })
    else {
      throw ValidationError(
        """
        --acceptance \(text): give shares between 0 and 1, none greater than the one before, or a report that ends \
        in .json
        """
      )
    }
    return numbers
  }

  /// What steps with drafts bring, where some are to be forecast. `predicts`: whether the model's prediction module is
  /// loaded; `guesses`: how many tokens it guesses at once. `reports`, from `path`: those that acceptance is taken from
  /// where it is not given; nil where none tells of any.
  func drafts(predicts: Bool, guesses: Int = 1, reports: [RunReport] = [], path: String = "") throws -> Drafts? {
    guard speculation.speculate != .off else { return nil }
    var (known, path): ([Double]?, String) = (nil, path)
    switch acceptance {
    case let text? where isFile(text):
      guard let found = Self.acceptance([try Self.report(text)]) else {
        throw ProjectionError.nothingMeasured(path: text, reason: "its run tried no drafts; give --acceptance a number")
      }
      (known, path) = (found, text)
    case let text?: known = try shares(text)
    case nil: known = Self.acceptance(reports)
    }
    guard let known else { return nil }
    let usesModule = predicts && speculation.speculate != .lookup
    // Without look-up as many as there are guesses.
    let most = speculation.speculate == .mtp ? min(guesses, speculation.draftTokens) : speculation.draftTokens
    guard let drafts = Drafts(acceptance: known, draftTokens: most, predicts: usesModule) else {
      throw ProjectionError.malformedReport(
        path: path, reason: "of its drafts more are \"accepted\" than at the place before")
    }
    return drafts
  }

  /// Of the steps that drafted, by place: those in which the draft there and all before it were right.
  private static func acceptance(_ reports: [RunReport]) -> [Double]? {
    let all = reports.compactMap(\.speculation).filter { $0.draftedCount > 0 }
    guard let first = all.first else { return nil }
    let shares = all.dropFirst().reduce(first, +).reachByPlace
    return shares.isEmpty ? nil : shares
  }

  /// Reads a report; its path is in every error.
  static func report(_ path: String) throws -> RunReport {
    do {
      return try RunReport(json: try JSONValue(parsing: try InputFile(path: path).contents(limit: 1 << 30)))
    } catch let error as MalformedAccount {
      throw ProjectionError.malformedReport(path: path, reason: error.reason)
    } catch let error as JSONError { throw ProjectionError.malformedReport(path: path, reason: "\(error)") }
  }
}
