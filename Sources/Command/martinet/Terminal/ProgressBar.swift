import Glibc
import Reports

/// A progress bar on standard error, drawn only where that is a terminal.
struct ProgressBar {
  private let label: String
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var isDrawn = false

  init(_ label: String) { self.label = label }

  mutating func show(bytes: Int, of total: Int) {
    guard total > 0 else { return }
    draw(Double(bytes) / Double(total), "of \(Figures.size(total))")
  }

  /// `done` of `total` pieces of work; `next` is under way.
  mutating func show(_ done: Int, of total: Int, _ next: String) {
    guard total > 0 else { return }
    draw(Double(done) / Double(total), "\(done) of \(total); \(next)\u{1B}[K")
  }

  private mutating func draw(_ part: Double, _ words: String) {
    guard isTerminal else { return }
    let share = min(part, 1)
    let width = 30
    let filled = Int(share * Double(width))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    Console.write("\r\(label) \(bar) \(Int(share * 100)) % \(words)", to: STDERR_FILENO)
    isDrawn = true
  }

  /// Clears the line.
  mutating func finish() {
    guard isDrawn else { return }
    Console.write("\r\u{1B}[K", to: STDERR_FILENO)
    isDrawn = false
  }
}
