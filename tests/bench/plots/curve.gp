# One curve of the scaling benchmark, to standard output as SVG. plots.sh sets folder, name, heading,
# counted and unit.
load folder.name.'.words'
data = folder.name.'.data'

set encoding utf8
set terminal svg size 720,400 font 'sans-serif,13' background '#ffffff'
set title heading."\n{/*0.85 ".rise."}"
set xlabel counted
set ylabel unit
set logscale x
set yrange [0:*]
set xtics ('1' 1, '10' 10, '100' 100, '1,000' 1e3, '10,000' 1e4, '100,000' 1e5, '1,000,000' 1e6)
set xtics nomirror
set ytics nomirror
set grid ytics linetype 1 linecolor '#e4e4e4'
set border 3 linecolor '#808080'
set key left top Left reverse samplen 2
set offsets 0, 0, graph 0.35, 0 # the upper third is the key's
set rmargin 5

plot data using 1:3:4 with filledcurves linecolor '#c6dbef' title 'deciles', \
     data using 1:5 with lines linewidth 1 dashtype 2 linecolor '#636363' title floor, \
     data using 1:2 with linespoints linewidth 2 pointtype 7 pointsize 0.5 \
         linecolor '#08519c' title ours
