/// The release of the program. The package takes its version from here too.
package let releaseNumber: StaticString = "0.1.0"
